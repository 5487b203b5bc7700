# SPDX-License-Identifier: Apache-2.0
# Sourced by every functional test in shell (by way of lab.sh or kafka.sh, or by itself).
# shellcheck shell=bash
#
#   fail WORDS...            exit 1; the ends of `logs` are shown and, last of all, the reason with the
#                            lines that led to it. A command that ends the script is told alike
#   logs+=(FILE...)          what tells the story of a test that fails
#   at_end FUNCTION          run when the script ends, the last one named first
#   wait_for SECONDS CMD...  until CMD succeeds. CMD is run each time, what stands in $() only once
#   ... | says PATTERN       grep that reads to the end: behind `| grep -q` the command in front may die
#                            of SIGPIPE, and with pipefail what was found counts as not found

[ -z "${script_sh:-}" ] || return 0
script_sh=yes
set -eEuo pipefail
# shellcheck disable=SC2034
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
logs=() endings=()
reason='' died=''

# The lines that led to the caller of the caller: mqtt_pub.sh:13 < mqtt_pub.sh:24.
where() { # FRAMES to leave out
	local i text=
	for ((i = $1; i < ${#BASH_SOURCE[@]}; i++)); do
		text+="${text:+ < }${BASH_SOURCE[i]##*/}:${BASH_LINENO[i - 1]}"
	done
	echo "${text:-${0##*/}}"
}

fail() {
	reason="FAIL $(where 2): $*"
	# script_end tells it last; a part of a pipeline or something in the background does not come there.
	[ "$BASHPID" = $$ ] || echo "$reason" >&2
	exit 1
}

wait_for() {
	local seconds=$1 end
	shift
	end=$((SECONDS + seconds))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

says() { [ "$(grep -c "$@")" != 0 ]; }

at_end() { endings=("$1" ${endings[@]+"${endings[@]}"}); }

script_end() {
	local code=$? last=$BASH_COMMAND file end
	if [ $code != 0 ] && [ $code != 77 ]; then
		reason=${reason:-FAIL ${died:-${0##*/}}: status $code of: $last}
		for file in ${logs[@]+"${logs[@]}"}; do
			[ -s "$file" ] || continue
			echo "== the end of $file"
			tail -n 20 "$file"
		done >&2
	fi
	for end in ${endings[@]+"${endings[@]}"}; do "$end" || true; done
	[ -z "$reason" ] || echo "$reason" >&2
	exit $code
}
trap script_end EXIT
trap 'died=$(where 1)' ERR
trap 'reason="FAIL $(where 2): SIGTERM, as when time is up, in: $BASH_COMMAND"; exit 143' TERM
