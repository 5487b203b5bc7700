#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The CA: its certificates and those it issues satisfy OpenSSL; keys are sealed at rest; a forged
# CSR is refused; sluice-signd runs confined and opens nothing but its own directory.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$PWD/build/controlplane
ctl=$build/sluicectl
dir=$(mktemp -d)
pids=()
cleanup() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAIL: $*"; exit 1; }
export SLUICE_API=$dir/api.sock
head -c 32 /dev/urandom >"$dir/kek"
cp config/sluice.yaml "$dir/"
mkdir -p "$dir/state/ca"
"$build/sluice-controld" -c "$dir/sluice.yaml" -s "$dir/state" -r "$dir" -m off 2>"$dir/log" &
pids+=($!)
for _ in $(seq 100); do [ -S "$dir/api.sock" ] && break; sleep 0.05; done
code=0; "$ctl" ca show 2>"$dir/out" || code=$?
[ $code = 7 ] || fail "without signd: $code"
"$build/sluice-signd" --key-file "$dir/kek" --ca-dir "$dir/state/ca" --socket "$dir/sign.sock" 2>>"$dir/log" &
signd=$!
pids+=("$signd")
for _ in $(seq 100); do [ -S "$dir/sign.sock" ] && grep -q 'Seccomp:.*2' "/proc/$signd/status" && break; sleep 0.05; done

strace -f -p "$signd" -o "$dir/trace" 2>/dev/null &
tracer=$!
pids+=("$tracer")
sleep 0.3
code=0; "$ctl" cert issue dev-1 2>/dev/null || code=$?
[ $code = 3 ] || fail "a certificate for an unknown device: $code"
"$ctl" ca init --organisation Example --json >"$dir/ca.json" || fail "ca init"
code=0; "$ctl" ca init --organisation Example 2>/dev/null || code=$?
[ $code = 4 ] || fail "a second CA: $code"
jq -r .root.pem "$dir/ca.json" >"$dir/root.pem"
jq -r .issuing.pem "$dir/ca.json" >"$dir/issuing.pem"
openssl verify -CAfile "$dir/root.pem" "$dir/issuing.pem" || fail "issuing CA"

"$ctl" device add dev-1 >/dev/null
"$ctl" cert issue dev-1 --days 20 --key-out "$dir/dev-1.key" --out "$dir/dev-1.pem" >/dev/null || fail "cert issue"
openssl verify -purpose sslclient -CAfile "$dir/root.pem" -untrusted "$dir/issuing.pem" "$dir/dev-1.pem" || fail "new key"
[ "$(openssl pkey -in "$dir/dev-1.key" -pubout)" = "$(openssl x509 -in "$dir/dev-1.pem" -noout -pubkey)" ] || fail "key and certificate differ"
openssl x509 -in "$dir/dev-1.pem" -noout -subject | grep -q 'CN *= *dev-1' || fail "subject"
[ "$(stat -c %a "$dir/dev-1.key")" = 600 ] || fail "the key can be read by others"

openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$dir/k2" -out "$dir/csr" -subj /CN=whatever 2>/dev/null
"$ctl" cert issue dev-1 --csr "$dir/csr" --out "$dir/dev-1b.pem" >/dev/null || fail "from CSR"
openssl verify -CAfile "$dir/root.pem" -untrusted "$dir/issuing.pem" "$dir/dev-1b.pem" || fail "from CSR"
openssl x509 -in "$dir/dev-1b.pem" -noout -subject | grep -q 'CN *= *dev-1' || fail "the CSR chose its own name"
# One byte of the signature changed: whoever sent it does not hold the key.
openssl req -in "$dir/csr" -outform der -out "$dir/csr.der"
python3 - "$dir/csr.der" "$dir/forged" <<'PY'
import base64, sys
b = bytearray(open(sys.argv[1], "rb").read()); b[-1] ^= 1
t = base64.encodebytes(bytes(b)).decode().replace("\n", "")
open(sys.argv[2], "w").write("-----BEGIN CERTIFICATE REQUEST-----\n" + "\n".join(t[i:i+64] for i in range(0, len(t), 64)) + "\n-----END CERTIFICATE REQUEST-----\n")
PY
code=0; "$ctl" cert issue dev-1 --csr "$dir/forged" 2>"$dir/out" || code=$?
[ $code = 4 ] || fail "a forged CSR: $code $(cat "$dir/out")"

[ "$("$ctl" cert list --expiring 30d --json | jq '.certificates|length')" = 1 ] || fail "expiring"
serial=$("$ctl" cert list --expiring 30d --json | jq -r '.certificates[0].serial')
"$ctl" cert revoke "$serial" --reason lost >/dev/null || fail "revoke"
[ "$("$ctl" cert list --json | jq -r ".certificates[]|select(.serial==\"$serial\").state")" = revoked ] || fail "not revoked"
"$ctl" trust remove own --dry-run --json | jq -e '.devices' >/dev/null || fail "dry run"
"$ctl" trust list | grep -q own || fail "a dry run removed the trust"

# Sealed, and useless with another key.
! grep -rlE 'PRIVATE KEY' "$dir/state" || fail "a private key lies open"
! grep -q 'PRIVATE' "$dir/log" || fail "a private key in the log"

# What it did: only these system calls, and no file outside of its directory.
kill "$tracer"; wait "$tracer" 2>/dev/null || true
calls=$(sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$dir/trace" | sort -u | tr '\n' ' ')
echo "system calls: $calls"
allowed=" accept4 recvfrom sendto getsockopt read write openat close fsync rename getrandom brk mmap munmap mremap futex fstat newfstatat lseek rt_sigprocmask restart_syscall "
for call in $calls; do
	[[ $allowed == *" $call "* ]] || fail "signd used $call"
done
sed -nE 's/.*openat\([^"]*"([^"]*)".*/\1/p' "$dir/trace" | grep -v "^$dir/state/ca/" && fail "signd opened a file outside of its directory"
grep -q "$dir/state/ca/issuing.key" "$dir/trace" || fail "nothing was traced"
kill -0 "$signd" || fail "signd ended"
echo ok
