#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sluicectl profile list|show|test against golden output, with the shipped profiles.
# After a change that is meant to change it: tests/functional/profile_cli.sh --update
. "$(dirname "$0")/../support/script.sh"
cd "$TOP"
build=${SLUICE_BUILD:-build}
ctl=$PWD/$build/controlplane/sluicectl
export SLUICED=$PWD/$build/dataplane/sluiced
golden=$PWD/tests/functional/profiles
if [ ! -x "$ctl" ] || [ ! -x "$SLUICED" ]; then
	echo "not built"
	exit 77
fi
dir=$(mktemp -d)
clean() { rm -rf "$dir"; }
at_end clean
config=(--config "$PWD/config/sluice.yaml")
at=1780000000000000000

sample() { # PATH ARGUMENT... < payload
	local path=$1
	shift
	echo "--- $path $*"
	"$ctl" profile test "${config[@]}" --at $at --path "$path" "$@" - || echo "exit status $?"
}

cat >"$dir/labels.yaml" <<-'END'
	lab: yes
	ports: [{name: w, devices: d, interfaces: [{addresses: [10.0.0.1/24]}]}]
	topics: [{name: t}, {name: dead-letter}]
	routes: [{name: r, topic: t}]
	kafka: {brokers: 'k:1'}
	listeners: [{name: m, protocol: mqtt, port: 1883, profile: plain, auth: none}]
	profiles:
	  - {name: plain, route: r, device: {from: path}}
	  - name: basel
	    route: r
	    device: {from: path}
	    match: {labels: [site=basel], paths: ['t/#']}
	    map:
	      - {op: add, field: site, label: site}
	      - {op: add, field: line, label: line}
	      - {op: add, field: kind, attribute: registry-profile}
	  - {name: named, route: r, device: {from: path}, match: {registry: yes}}
END
{
	"$ctl" profile list "${config[@]}"
	"$ctl" profile show "${config[@]}" environment
	"$ctl" profile show "${config[@]}" raw
	sample sensors/env-7/environment <<<'{"time":1780000000000,"seq":7,"temp":21.4,"hum":48,"press":1013.25}'
	sample sensors/env-7/environment <<<'{"temp":99,"hum":48}'
	sample sensors/env-7/environment <<<'{"hum":48'
	sample other/env-7 --profile environment <<<'{"temperature":21}'
	sample machines/cnc-4/metrics <<<'spindle,operator=anna rpm=11800.4,load=0.82'
	sample t/dev-1/env <<<'{"temp":21.4}'
	sample meters/9 --listener coap --profile senml-meter --json <<<'{"power":1250}'
	config=(--config "$dir/labels.yaml")
	"$ctl" profile show "${config[@]}" basel
	sample t/dev-1/env --label site=basel --label line=3 --registry-profile meter <<<'{"temp":21.4}'
	sample t/dev-1/env --label site=basel <<<'{"temp":21.4}'
	sample t/dev-1/env --label site=chur <<<'{"temp":21.4}'
	sample t/dev-1/env --registry-profile named <<<'{"temp":21.4}'
	sample t/dev-1/env --label site <<<'{"temp":21.4}'
} >"$dir/out" 2>&1
config=(--config "$PWD/config/sluice.yaml")

if [ "${1:-}" = --update ]; then
	mkdir -p "$golden"
	cp "$dir/out" "$golden/cli.txt"
	exit 0
fi
diff "$golden/cli.txt" "$dir/out" || fail "the output differs from the golden one"

# What is shown is a profile again: as a file it is the same.
mkdir "$dir/profiles"
cp config/sluice.yaml "$dir/"
cp -r config/examples "$dir/"
for name in environment senml-meter line-machine tracker raw; do
	"$ctl" profile show "${config[@]}" "$name" >"$dir/profiles/$name.yaml"
done
for name in environment senml-meter line-machine tracker raw; do
	"$ctl" profile show --config "$dir/sluice.yaml" "$name" >"$dir/again"
	diff "$dir/profiles/$name.yaml" "$dir/again" || fail "$name does not load as it was shown"
done

"$ctl" profile list "${config[@]}" --json | python3 -c 'import json, sys; assert "environment" in [p["name"] for p in json.load(sys.stdin)]' || fail "list --json"
"$ctl" profile test "${config[@]}" --json --path sensors/e/environment - <<<'{"temp":1}' |
	python3 -c 'import json, sys; d = json.load(sys.stdin); assert d["before"][0]["fields"] == {"temp": 1}; assert d["after"][0]["value"]["fields"]["temperature"] == 1' ||
	fail "test --json"

code=0
"$ctl" profile show "${config[@]}" enviromnent 2>"$dir/err" || code=$?
[ $code = 3 ] || fail "an unknown profile exits with $code"
grep -q "did you mean 'environment'" "$dir/err" || fail "no nearest name: $(cat "$dir/err")"
sed -i 's/^fields:/fieds:/' "$dir/profiles/tracker.yaml"
code=0
"$ctl" profile list --config "$dir/sluice.yaml" 2>"$dir/err" || code=$?
[ $code = 3 ] || fail "a bad file exits with $code"
grep -q "profiles/tracker.yaml:[0-9]*: fieds: unknown option; did you mean 'fields'" "$dir/err" || fail "mistake: $(cat "$dir/err")"
