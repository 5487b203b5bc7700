#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The shipped units, and no others, under a systemd of their own (pid 1 of a namespace, with a cgroup, /etc
# and /var/lib of its own): users and directories are made by sysusers.d and tmpfiles.d, all three
# programs come up in their sandboxes, sluiced tells that it is ready, is started again when killed,
# and stops cleanly.
. "$(dirname "$0")/../support/script.sh"
[ -x /lib/systemd/systemd ] || { echo "skipped: no systemd in this root"; exit 77; }
dir=$(mktemp -d /tmp/systemd-test-XXXXXX)
logs+=("$dir/log" "$dir/said" "$dir/seen")
emptied() { # what was killed takes a moment to be gone
	[ ! -e "$dir/cgroup/test" ] || find "$dir/cgroup/test" -depth -type d -exec rmdir {} + 2>/dev/null
}
clean() {
	wait_for 10 emptied || true
	umount "$dir/cgroup" 2>/dev/null || true
	rm -rf "$dir"
}
at_end clean
mkdir "$dir/cgroup"
mount -t cgroup2 cgroup2 "$dir/cgroup" || { echo "skipped: no cgroup2 here"; exit 77; }
mkdir "$dir/cgroup/test"

cat >"$dir/units.sh" <<'END' # DIR TOP
set -e
exec 2>&1
mount --make-rprivate / # not what is outside, and then
mount --make-rshared / # as any systemd expects it
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "$1/etc" "$1/lib" "$1/units"
cp -a /etc/. "$1/etc/"
mount --bind "$1/etc" /etc
mount --bind "$1/lib" /var/lib
mount -t tmpfs tmpfs /run
systemd-sysusers "$2/appliance/systemd/sluice.sysusers"
mkdir -p /etc/sluice
cp -r "$2"/config/{profiles,examples} /etc/sluice/
sed -e '/^match:/,/^$/d' -e 's#^state_dir:.*#state_dir: /var/lib/sluice#' "$2/config/sluice.yaml" >/etc/sluice/sluice.yaml
echo 'egress: {sink: discard}' >>/etc/sluice/sluice.yaml
head -c 32 /dev/urandom >/etc/sluice/ca.key
chmod 600 /etc/sluice/ca.key
systemd-tmpfiles --create "$2/appliance/systemd/sluice.tmpfiles"
for unit in "$2"/appliance/systemd/*.service; do
	sed -e "s#/usr/sbin/sluiced#$2/build/dataplane/sluiced#" -e "s#/usr/sbin/#$2/build/controlplane/#" \
		-e "s#^\[Service\]#&\nStandardError=append:$1/said#" "$unit" >"$1/units/${unit##*/}"
done
printf '[Unit]\nWants=sluice-controld.service sluiced.service look.service\n' >"$1/units/default.target"
printf '[Unit]\nAfter=sluiced.service sluice-controld.service\n[Service]\nType=oneshot\nTimeoutStartSec=60\nExecStart=/bin/bash %s/look.sh %s %s\n' \
	"$1" "$1" "$2" >"$1/units/look.service"
for target in sysinit basic shutdown; do echo '[Unit]' >"$1/units/$target.target"; done
exec env container=other SYSTEMD_UNIT_PATH="$1/units" /lib/systemd/systemd --system --log-target=console --log-level=warning
END

cat >"$dir/look.sh" <<'END' # DIR TOP
exec >"$1/seen" 2>&1
ctl=$2/build/controlplane/sluicectl
is() { # PROPERTY VALUE UNIT
	echo "$3: $(systemctl show -P "$1" "$3")"
	[ "$(systemctl show -P "$1" "$3")" = "$2" ]
}
says() { [ "$(grep -c "$@")" != 0 ]; }
connected() { "$ctl" status --json | says '"connected": *true'; }
until_so() { for _ in {1..150}; do "$@" >/dev/null && return; sleep 0.1; done; echo "not so: $*"; return 1; }
killed_and_back() {
	systemctl kill --signal=KILL --kill-whom=main sluiced
	until_so is NRestarts 1 sluiced && until_so is ActiveState active sluiced && until_so connected
}
{
	is ActiveState active sluiced && is ActiveState active sluice-controld && is ActiveState active sluice-signd &&
		until_so connected && "$ctl" status && "$ctl" ca init --organisation Works && "$ctl" device add pump-1 &&
		killed_and_back && "$ctl" device show pump-1 && systemctl stop sluiced && is Result success sluiced &&
		is ExecMainStatus 0 sluiced && touch "$1/good"
} || systemctl --no-pager -l status sluiced sluice-controld sluice-signd
touch "$1/looked"
END

ip link add slu0 type veth peer name sld0
ip link set slu0 up
ip link set sld0 up
(
	echo "$BASHPID" >"$dir/cgroup/test/cgroup.procs"
	exec unshare --mount --pid --cgroup --uts --ipc --fork --kill-child --mount-proc bash "$dir/units.sh" "$dir" "$TOP" >"$dir/log"
) &
systemd=$!
looked() { [ -e "$dir/looked" ] || ! kill -0 "$systemd" 2>/dev/null; }
wait_for 90 looked || true
kill -KILL "$systemd" 2>/dev/null || true
wait "$systemd" 2>/dev/null || true
[ -e "$dir/good" ] || fail "it did not come up, come back, or stop"
