#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The CA and the certificates of devices, judged by OpenSSL: own CA, one signed elsewhere, one
# imported with its key; issue, renew, revoke, own revocation list; keys sealed at rest; a forged
# CSR is refused; sluice-signd runs confined under a user of its own.
. "$(dirname "$0")/../support/script.sh"
cd "$TOP"
build=$PWD/${SLUICE_BUILD:-build}/controlplane
ctl=$build/sluicectl
dir=$(mktemp -d)
chmod 755 "$dir"
pids=()
cleanup() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	rm -rf "$dir"
}
at_end cleanup
logs+=("$dir/log" "$dir/out")
# expect STATUS COMMAND...: the exit status; what it said is in $dir/out
expect() {
	local status=$1 got=0
	shift
	"$@" >"$dir/out" 2>&1 || got=$?
	[ "$got" = "$status" ] || fail "'${*##*/}' ended with $got, not $status"
}
export SLUICE_API=$dir/api.sock
head -c 32 /dev/urandom >"$dir/kek"
cp config/sluice.yaml "$dir/"
cp -r config/examples config/profiles "$dir/"
mkdir -p "$dir/state/ca"
chmod 711 "$dir/state"
"$build/sluice-controld" -c "$dir/sluice.yaml" -s "$dir/state" -r "$dir" -m off 2>"$dir/log" &
pids+=($!)
wait_for 10 test -S "$dir/api.sock" || fail "sluice-controld did not start"
expect 7 "$ctl" ca show
grep -q 'start sluice-signd' "$dir/out" || fail "no advice without signd"
expect 7 "$ctl" backup create "$dir/backup0"

signd() {
	"$build/sluice-signd" --key-file "$dir/kek" --ca-dir "$dir/state/ca" --socket "$dir/sign.sock" --user sluice 2>>"$dir/log" &
	signd=$!
	pids+=("$signd")
	wait_for 10 grep -q 'Seccomp:.*2' "/proc/$signd/status" || fail "sluice-signd is not confined"
}
signd
[ "$(stat -c %U "/proc/$signd/maps")" = root ] || fail "signd can be dumped" # not dumpable: /proc is root's
[ "$(awk '/^Uid/{print $2}' "/proc/$signd/status")" = "$(id -u sluice)" ] || fail "signd runs as root"
[ -z "$(awk '/^Groups/{$1="";print $0}' "/proc/$signd/status" | tr -d ' ')" ] || fail "signd kept groups"
# The mapping with all that is secret is out of core dumps (dd) and locked (lo).
awk '/^[0-9a-f]+-[0-9a-f]+ /{size=0} /^Size:/{size=$2} /^VmFlags:/{if (size > 150 && / dd/ && / lo/ && / dc/) found=1} END{exit !found}' \
	"/proc/$signd/smaps" || fail "the secrets are not marked MADV_DONTDUMP, MADV_DONTFORK and locked"
# Its network: none. Whoever else asks is not heard.
expect 1 setpriv --reuid 65534 --regid 65534 --clear-groups python3 -c "
import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET); s.settimeout(5); s.connect('$dir/sign.sock')
try: s.send(b'x'*65704)
except OSError: sys.exit(1)
sys.exit(0 if s.recv(200000) else 1)"

strace -f -p "$signd" -o "$dir/trace" 2>/dev/null &
tracer=$!
pids+=("$tracer")
sleep 0.3
expect 3 "$ctl" cert issue dev-1
expect 0 "$ctl" ca init --organisation Example --json
cp "$dir/out" "$dir/ca.json"
expect 4 "$ctl" ca init --organisation Example
jq -r .root.pem "$dir/ca.json" >"$dir/root.pem"
jq -r .issuing.pem "$dir/ca.json" >"$dir/issuing.pem"
openssl verify -x509_strict -CAfile "$dir/root.pem" "$dir/issuing.pem" || fail "issuing CA"

# --- issue: a new key, a CSR, a forged CSR
"$ctl" device add dev-1 >/dev/null
expect 0 "$ctl" cert issue dev-1 --days 20 --key-out "$dir/dev-1.key" --out "$dir/dev-1.pem"
openssl verify -x509_strict -purpose sslclient -CAfile "$dir/root.pem" -untrusted "$dir/issuing.pem" "$dir/dev-1.pem" || fail "new key"
[ "$(openssl pkey -in "$dir/dev-1.key" -pubout)" = "$(openssl x509 -in "$dir/dev-1.pem" -noout -pubkey)" ] || fail "key and certificate differ"
openssl x509 -in "$dir/dev-1.pem" -noout -subject | says 'CN *= *dev-1' || fail "subject"
[ "$(stat -c %a "$dir/dev-1.key")" = 600 ] || fail "the key can be read by others"
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$dir/k2" -out "$dir/csr" -subj /CN=whatever 2>/dev/null
expect 0 "$ctl" cert issue dev-1 --csr "$dir/csr" --days 10 --out "$dir/dev-1b.pem"
openssl verify -CAfile "$dir/root.pem" -untrusted "$dir/issuing.pem" "$dir/dev-1b.pem" || fail "from CSR"
openssl x509 -in "$dir/dev-1b.pem" -noout -subject | says 'CN *= *dev-1' || fail "the CSR chose its own name"
# One byte of the signature changed: whoever sent it does not hold the key.
openssl req -in "$dir/csr" -outform der -out "$dir/csr.der"
python3 - "$dir/csr.der" "$dir/forged" <<'PY'
import base64, sys
b = bytearray(open(sys.argv[1], "rb").read()); b[-1] ^= 1
t = base64.encodebytes(bytes(b)).decode().replace("\n", "")
open(sys.argv[2], "w").write("-----BEGIN CERTIFICATE REQUEST-----\n" + "\n".join(t[i:i+64] for i in range(0, len(t), 64)) + "\n-----END CERTIFICATE REQUEST-----\n")
PY
expect 4 "$ctl" cert issue dev-1 --csr "$dir/forged"

# --- rotation: two certificates at once, each a credential; a warning until one has a successor
[ "$("$ctl" device show dev-1 --json | jq '[.credentials[]|select(.kind=="certificate")]|length')" = 2 ] || fail "overlapping certificates"
expect 8 "$ctl" status
grep -q '1 certificates of devices expire within 30 days' "$dir/out" || fail "no warning of expiry"
"$ctl" cert list --json | jq -e '.certificates|map(.renew)==["superseded","none"]' >/dev/null || fail "which is to renew"
expect 4 "$ctl" cert renew dev-1 --out "$dir/early.pem"
grep -q 'last third' "$dir/out" || fail "no renewal window"
expect 0 "$ctl" cert renew dev-1 --early --days 400 --out "$dir/dev-1c.pem" --key-out "$dir/dev-1c.key"
expect 8 "$ctl" status
! grep -q 'of devices expire' "$dir/out" || fail "a certificate with a successor is warned of"
[ "$("$ctl" cert list --expiring 30d --json | jq '.certificates|length')" = 2 ] || fail "expiring"
expect 3 "$ctl" cert renew dev-2
"$ctl" device add dev-2 >/dev/null
expect 3 "$ctl" cert renew dev-2

# --- revoke: the credential ends, and the own list tells everybody
serial=$("$ctl" cert list --expiring 30d --json | jq -r '.certificates[0].serial')
expect 0 "$ctl" cert revoke "$serial" --reason lost
expect 3 "$ctl" cert revoke "$serial" --reason lost
[ "$("$ctl" cert show "$serial" --json | jq -r .state)" = revoked ] || fail "not revoked"
[ "$("$ctl" device show dev-1 --json | jq '[.credentials[]|select(.kind=="certificate")]|length')" = 2 ] || fail "a revoked certificate is still a credential"
expect 0 "$ctl" ca crl --out "$dir/own.crl"
openssl crl -in "$dir/own.crl" -CAfile "$dir/issuing.pem" -noout 2>"$dir/out" || fail "openssl crl"
grep -q 'verify OK' "$dir/out" || fail "the list's signature"
openssl crl -in "$dir/own.crl" -noout -text >"$dir/crl.txt"
grep -qi "Serial Number: 0*$serial" "$dir/crl.txt" || fail "the serial is not on the list"
[ "$(grep -c 'Serial Number' "$dir/crl.txt")" = 1 ] || fail "too much on the list"
cat "$dir/root.pem" "$dir/issuing.pem" >"$dir/chain.pem"
# The certificate that ends first (10 days, from the CSR) was revoked.
if openssl verify -crl_check -CRLfile "$dir/own.crl" -CAfile "$dir/chain.pem" "$dir/dev-1b.pem" >"$dir/out" 2>&1; then fail "a revoked certificate verifies"; fi
grep -q 'certificate revoked' "$dir/out" || fail "OpenSSL does not see the revocation"
openssl verify -crl_check -CRLfile "$dir/own.crl" -CAfile "$dir/chain.pem" "$dir/dev-1c.pem" || fail "a good certificate under the list"
first=$(openssl crl -in "$dir/own.crl" -noout -crlnumber)
expect 0 "$ctl" ca crl --out "$dir/own2.crl"
[ "$(openssl crl -in "$dir/own2.crl" -noout -crlnumber)" != "$first" ] || fail "the number did not count up"
"$ctl" trust remove own --dry-run --json | jq -e '.devices==["dev-1"] and .count==1' >/dev/null || fail "dry run"
"$ctl" trust list | says own-issuing || fail "a dry run removed the trust"

# --- the root offline: nothing but the issuing key is needed
mv "$dir/state/ca/root.key" "$dir/root.key"
expect 0 "$ctl" cert issue dev-2 --key-out "$dir/dev-2.key" --out "$dir/dev-2.pem"
openssl verify -CAfile "$dir/root.pem" -untrusted "$dir/issuing.pem" "$dir/dev-2.pem" || fail "without the root's key"

# --- an issuing CA below somebody else's root: the key is made here and stays here
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/corp.key" -out "$dir/corp.pem" -days 3650 -subj '/C=CH/O=Corp AG/OU=PKI/CN=Corp Root' \
	-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
expect 0 "$ctl" ca request --organisation Works --out "$dir/issuing.csr"
openssl req -in "$dir/issuing.csr" -verify -noout 2>/dev/null || fail "the request is not signed"
printf 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' >"$dir/ext"
openssl x509 -req -in "$dir/issuing.csr" -CA "$dir/corp.pem" -CAkey "$dir/corp.key" -CAcreateserial -days 365 -extfile "$dir/ext" -out "$dir/corp-issuing.pem" 2>/dev/null
cat "$dir/corp-issuing.pem" "$dir/corp.pem" >"$dir/corp-chain.pem"
expect 4 "$ctl" ca import --certificate "$dir/corp-chain.pem"
grep -q -- '--replace' "$dir/out" || fail "no advice how to replace a CA"
expect 4 "$ctl" ca import --certificate "$dir/dev-2.pem" --replace
expect 4 "$ctl" ca import --certificate "$dir/corp-issuing.pem" --key "$dir/k2" --replace # a key that does not fit
expect 0 "$ctl" ca import --certificate "$dir/corp-chain.pem" --replace
expect 0 "$ctl" cert issue dev-2 --days 3000 --key-out "$dir/dev-2b.key" --out "$dir/dev-2b.pem"
openssl verify -x509_strict -CAfile "$dir/corp.pem" -untrusted "$dir/corp-issuing.pem" "$dir/dev-2b.pem" || fail "below the corporate root"
[ "$(date -d "$(openssl x509 -in "$dir/dev-2b.pem" -noout -enddate | cut -d= -f2)" +%s)" -le "$(date -d "$(openssl x509 -in "$dir/corp-issuing.pem" -noout -enddate | cut -d= -f2)" +%s)" ] ||
	fail "a certificate outlives its issuer"
# Both hang on one issuer each: dev-2 has one of either, dev-1 only of the old one.
"$ctl" trust remove own --dry-run --json | jq -e '.devices==["dev-1"]' >/dev/null || fail "dry run after the replacement"
"$ctl" trust list --json | jq -e '[.issuers[]|select(.anchor)|.name]|sort==["own","own-2"]' >/dev/null || fail "trusted issuers"

# --- a root with its key: gets an issuing CA of its own
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp384r1 -nodes -keyout "$dir/r3.key" -out "$dir/r3.pem" -days 3650 -subj '/O=Third/CN=Third Root' \
	-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
expect 0 "$ctl" ca import --certificate "$dir/r3.pem" --key "$dir/r3.key" --organisation Third --replace --json
jq -r .issuing.pem "$dir/out" >"$dir/r3-issuing.pem"
expect 0 "$ctl" cert issue dev-1 --key-out "$dir/k3" --out "$dir/dev-1d.pem"
openssl verify -CAfile "$dir/r3.pem" -untrusted "$dir/r3-issuing.pem" "$dir/dev-1d.pem" || fail "below the imported root"

# --- sealed, useless with another key, and nowhere in the open
! grep -rlE 'PRIVATE KEY' "$dir/state" || fail "a private key lies open"
! grep -q 'PRIVATE' "$dir/log" || fail "a private key in the log"
"$ctl" audit list --limit 1000 --json >"$dir/out"
! grep -q 'PRIVATE' "$dir/out" || fail "a private key in the audit log"
[ "$(stat -c '%a %U' "$dir/state/ca/issuing.key")" = "600 sluice" ] || fail "who may read the sealed key"

# --- what it did: only these system calls, and no file outside of its directory
kill "$tracer"; wait "$tracer" 2>/dev/null || true
calls=$(sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$dir/trace" | sort -u | tr '\n' ' ')
echo "system calls: $calls"
allowed=" accept4 recvfrom sendto getsockopt read write openat close fsync rename unlink getrandom brk mmap munmap mremap futex fstat newfstatat lseek rt_sigprocmask restart_syscall "
for call in $calls; do
	[[ $allowed == *" $call "* ]] || fail "signd used $call"
done
sed -nE 's/.*(openat|rename|unlink)\([^"]*"([^"]*)".*/\2/p' "$dir/trace" | grep -vE "^$dir/state/ca(/|$)" && fail "signd touched a file outside of its directory"
grep -q "$dir/state/ca/issuing.key" "$dir/trace" || fail "nothing was traced"
kill -0 "$signd" || fail "signd ended"

# --- another key file: it says so, and opens nothing
expect 0 "$ctl" backup create "$dir/backup"
[ "$(find "$dir/backup" -name '*.key' | wc -l)" -ge 1 ] || fail "the backup has no keys"
cmp "$dir/backup/issuing.key" "$dir/state/ca/issuing.key" || fail "the sealed key in the backup"
kill "$signd"; wait "$signd" 2>/dev/null || true
mv "$dir/kek" "$dir/kek.good"
head -c 32 /dev/urandom >"$dir/kek"
signd
expect 1 "$ctl" cert issue dev-1
grep -q 'wrong key file' "$dir/out" || fail "no word of the wrong key file"
head -c 31 /dev/urandom >"$dir/short"
expect 1 "$build/sluice-signd" --key-file "$dir/short" --ca-dir "$dir/state/ca" --socket "$dir/x.sock"
grep -q 'at least 32 bytes' "$dir/out" || fail "a short key is taken"

# --- killed at any moment: what was answered is there, and the chain is whole
kill "$signd"; wait "$signd" 2>/dev/null || true
mv "$dir/kek.good" "$dir/kek"
for _ in $(seq 4); do
	signd
	expect 0 "$ctl" cert issue dev-2 --key-out "$dir/k" --out "$dir/c"
	kill -9 "$signd"; wait "$signd" 2>/dev/null || true
	[ "$("$ctl" cert list --device dev-2 --json | jq --arg s "$(openssl x509 -in "$dir/c" -noout -serial | cut -d= -f2 | tr A-F a-f)" '[.certificates[]|select(.serial==$s)]|length')" = 1 ] || fail "an issued certificate is not in the list"
done
expect 0 "$ctl" audit verify
echo ok
