#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sluicectl against a running sluice-controld: what an operator types, what he reads, exit codes.
. "$(dirname "$0")/../support/script.sh"
cd "$TOP"
build=${SLUICE_BUILD:-build}
controld=$PWD/$build/controlplane/sluice-controld
ctl=$PWD/$build/controlplane/sluicectl
if [ ! -x "$controld" ] || [ ! -x "$ctl" ]; then
	echo "not built"
	exit 77
fi
dir=$(mktemp -d)
pid=
cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	rm -rf "$dir"
}
at_end cleanup
logs+=("$dir/log" "$dir/out")
export SLUICE_API=$dir/run/api.sock
mkdir -p "$dir/run"
cp config/sluice.yaml "$dir/"
cp -r config/examples config/profiles "$dir/"

start() {
	"$controld" -c "$dir/sluice.yaml" -s "$dir/state" -r "$dir/run" -m off 2>>"$dir/log" &
	pid=$!
	wait_for 10 answers || fail "sluice-controld does not answer"
}
answers() {
	kill -0 "$pid" 2>/dev/null || fail "sluice-controld ended"
	"$ctl" audit verify >/dev/null 2>&1
}

# expect STATUS PATTERN COMMAND...: exit status and a line of what it said
expect() {
	local status=$1 pattern=$2 got=0
	shift 2
	"$@" >"$dir/out" 2>&1 </dev/null || got=$?
	[ "$got" = "$status" ] || fail "'${*##*/}' ended with $got, not $status"
	grep -qE -- "$pattern" "$dir/out" || fail "'${*##*/}' did not say '$pattern'"
}

expect 6 'systemctl start sluice-controld' "$ctl" status
start
expect 8 'no data plane is connected' "$ctl" status
expect 0 'dev-1' "$ctl" device add dev-1 --profile meter --label site=basel --claim 'topic:t/%d/#' --records-per-s 10
expect 4 'registered already' "$ctl" device add dev-1
expect 4 "device name has 1 to 64" "$ctl" device add bad/name
expect 0 '^dev-1 +active +meter' "$ctl" device list
expect 0 'claims.topic +\["t/%d/#"\]' "$ctl" device show dev-1
expect 0 'reason +nonsense' "$ctl" device suspend dev-1 --reason nonsense
expect 0 '"state": "suspended"' "$ctl" device show dev-1 --json
expect 0 'state +active' "$ctl" device resume dev-1
expect 3 'dev-2: unknown' "$ctl" device show dev-2
expect 0 'state +revoked' "$ctl" device revoke dev-1 --reason stolen
expect 4 'readmit' "$ctl" device resume dev-1
expect 0 'state +active' "$ctl" device resume dev-1 --readmit
echo "correct horse" >"$dir/pw"
expect 0 'password' "$ctl" device password dev-1 --password-file "$dir/pw"
printf '%064d\n' 7 >"$dir/key"
expect 0 'hmac-sha-256' "$ctl" device key dev-1 --key-file "$dir/key" --number 1
expect 4 'no such credential' "$ctl" device key dev-1 --key-file "$dir/pw"
expect 0 'removed +dev-1' "$ctl" device remove dev-1 --reason 'taken down'
expect 4 'removed for good' "$ctl" device add dev-1
expect 0 'dev-1' "$ctl" device add dev-1 --readmit

# A list of devices goes out and comes back.
{ echo name,profile,labels; seq -f 'pump-%g,meter,site=a;floor=2' 3000; } >"$dir/fleet.csv"
expect 0 'added +3000' "$ctl" device import "$dir/fleet.csv"
expect 4 'refused +3000' "$ctl" device import "$dir/fleet.csv"
"$ctl" device export >"$dir/export.csv"
[ "$(wc -l <"$dir/export.csv")" = 3002 ] || fail "export has $(wc -l <"$dir/export.csv") lines"
expect 0 'changed +3001' "$ctl" device import "$dir/export.csv" --update

# Configuration: set, diff, a bad file, history, rollback.
expect 0 '^2ms$' "$ctl" config get egress.linger
expect 0 'egress.linger +- +9ms +no' "$ctl" config set egress.linger 9ms
expect 0 '^9ms$' "$ctl" config get egress.linger
expect 4 'is not a duration' "$ctl" config set egress.linger soon
expect 3 "no option 'egress.lingr'" "$ctl" config get egress.lingr
expect 0 'dataplane.workers +1 +2 +yes' "$ctl" config set dataplane.workers 2
sed 's/profile: line/profile: lime/' "$dir/sluice.yaml" >"$dir/bad.yaml"
expect 4 "did you mean 'line'" "$ctl" config apply "$dir/bad.yaml"
grep -q 'profile: line' "$dir/sluice.yaml" || fail "a bad file replaced the good one"
expect 0 'rollback to version 1' bash -c "'$ctl' config rollback --version 1 && '$ctl' config history"
cmp config/sluice.yaml "$dir/sluice.yaml" || fail "rollback does not bring the first text back"
"$ctl" config show | cmp - "$dir/sluice.yaml" || fail "config show is not the file"

# Blocks.
expect 0 'when-connected' "$ctl" flow block --address 10.0.0.0/8 --reason flood --for 1h
expect 0 '10.0.0.0/8' "$ctl" flow blocks
expect 4 'either' "$ctl" flow block --reason x
expect 0 'removed' "$ctl" flow allow 1
expect 7 'no data plane' "$ctl" flow list

# Nothing secret anywhere an operator or a support bundle looks.
for words in 'audit list --limit 1000 --json' 'device show dev-1 --json' 'status --json'; do
	# shellcheck disable=SC2086
	"$ctl" $words >"$dir/out" || true
	! grep -qE 'correct horse|0000000007|argon2' "$dir/out" || fail "a secret is shown by $words"
done
! grep -qE 'correct horse|0000000007' "$dir/log" || fail "a secret is in the log"
expect 0 'unbroken +yes' "$ctl" audit verify

# Backup, an empty machine, restore.
expect 0 'directory' "$ctl" backup create "$dir/backup" --without-ca
expect 4 'stop sluice-controld first' "$ctl" backup restore "$dir/backup"
kill "$pid"; wait "$pid" || true
expect 0 'restored' "$ctl" backup restore "$dir/backup" --state-dir "$dir/empty/state" --config "$dir/empty/sluice.yaml"
cmp "$dir/empty/sluice.yaml" "$dir/sluice.yaml" || fail "the configuration was not restored"
diff -r "$dir/empty/profiles" "$dir/profiles" || fail "the profiles were not restored"
rm -rf "$dir/state"; mv "$dir/empty/state" "$dir/state"
start
expect 0 'pump-2999' "$ctl" device show pump-2999

# Killed at any moment: what was answered is there.
for i in $(seq 5); do
	"$ctl" device add "killed-$i" >/dev/null
	kill -9 "$pid"; wait "$pid" 2>/dev/null || true
	start
	expect 0 "killed-$i" "$ctl" device show "killed-$i"
done
expect 0 'unbroken +yes' "$ctl" audit verify

# A corrupt registry: told, and the last good backup takes its place.
mkdir -p "$dir/state/backups"
cp "$dir/backup/registry.db" "$dir/state/backups/000000000001.db"
kill "$pid"; wait "$pid" || true
dd if=/dev/urandom of="$dir/state/registry.db" bs=4096 seek=1 count=40 conv=notrunc 2>/dev/null
rm -f "$dir/state/registry.db-wal" "$dir/state/registry.db-shm"
start
grep -q 'is corrupt' "$dir/log" || fail "corruption was not told"
expect 8 'a backup took its place' "$ctl" status
expect 0 'pump-2999' "$ctl" device show pump-2999
kill "$pid"; wait "$pid" || true
pid=

# Manners.
expect 2 'there is no' "$ctl" gadget list
expect 2 'which verb' "$ctl" device
expect 2 'wants: NAME' "$ctl" device show
expect 2 'unknown option' "$ctl" device list --colour
expect 0 'Examples' "$ctl" device add --help
expect 0 'Examples' "$ctl" device --help
expect 0 'Examples' "$ctl" --help
bash -n <("$ctl" completion bash) || fail "bash completion does not parse"
mkdir "$dir/man"
"$ctl" manual man "$dir/man" || fail "man pages"
for page in "$dir"/man/*.1; do
	[ -z "$(man --warnings -l "$page" 2>&1 >/dev/null)" ] || fail "$page: $(man --warnings -l "$page" 2>&1 >/dev/null | head -3)"
done
"$ctl" manual markdown | cmp - docs/sluicectl.md || fail "docs/sluicectl.md is old: sluicectl manual markdown > docs/sluicectl.md"
echo "ok"
