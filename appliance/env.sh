# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts of appliance/ and tests/run: where the Debian 13 root lives and how to
# talk about it. Runs on the host with nothing but a shell and util-linux.
# shellcheck shell=bash

SLUICE_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SLUICE_CACHE=${SLUICE_CACHE:-/var/cache/sluice}
SLUICE_RUN=${SLUICE_RUN:-/run/sluice}
# Which package lists make up the root: `lab` builds and runs the product, `test` adds what
# tests/run needs, `bench` adds the programs we compare ourselves with. quickstart does not pay for
# Java, nor tests/run for Suricata.
SLUICE_SET=${SLUICE_SET:-lab}

step() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Inside the root already, or on a Debian 13 host, commands run where they are.
on_debian_13() { grep -qs '^VERSION_ID="13"' /etc/os-release; }

package_lists() {
	case $SLUICE_SET in
	lab) echo build lab ;;
	test) echo build lab test kafka ;;
	bench) echo build lab test kafka bench ;;
	*) die "unknown package set '$SLUICE_SET' (lab, test or bench)" ;;
	esac
}

packages() {
	local list
	for list in $(package_lists); do
		grep -v '^#' "$SLUICE_TOP/appliance/packages/$list.txt"
	done | sort -u
}

root_dir() {
	printf '%s/root-%s-%s\n' "$SLUICE_CACHE" "$SLUICE_SET" \
		"$({ packages; cat "$SLUICE_TOP/appliance/root"; } | sha256sum | cut -c1-16)"
}
