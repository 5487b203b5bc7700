#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 50,000 devices behind one address of a carrier connect and publish at QoS 1 with the limits as
# shipped, while 55,000 connections from another address open, say nothing and come again. Only the
# ports are not those of config/sluice.yaml: two memif wires instead of the lab's veth.
#
#   [sluice-gen mqtt]   10.88.0.2 ~~~~ memif0 10.88.0.1 [sluiced]
#   [sluice-gen silent] 10.89.0.2 ~~~~ memif1 10.89.0.1 [  ""   ]
. "$(dirname "$0")/../support/lab.sh"
wire() { echo "net_memif$1,role=$2,id=0,socket=$RUN/memif$3.sock,socket-abstract=no,rsize=11"; }
lab_yaml "$(wire 0 server 0)" "$(wire 1 server 1)" <<'PY'
c["ports"] = [{"name": f"wire{n}", "devices": [sys.argv[1 + n]], "interfaces": [{"addresses": [f"10.{88 + n}.0.1/16"]}]}
              for n in range(2)]
PY
lab_kafka
lab_sluiced

generator() { # WIRE SECONDS OPTION...
	local n=$1 seconds=$2
	shift 2
	timeout "$seconds" "$BUILD/bench/sluice-gen" --no-huge --no-shconf --no-pci --no-telemetry -m 256 --lcores='0@(0,1)' \
		--file-prefix="gen$n" --log-level='*:error' --vdev="$(wire 0 client "$n")" -- \
		--target "10.$((88 + n)).0.1" --sources 1 --stay "$@" >"$RUN/gen$n" 2>"$RUN/gen$n.err" &
	pids+=("$!")
}
reported() { grep -q '"traffic"' "$RUN/gen$1"; }
generator 1 120 --traffic silent --connections 55000 --rate 20000 --seconds 100
flood=${pids[-1]}
flooding() { [ "$(status '.counters.tcp.connections // 0')" -gt 20000 ]; }
wait_for 20 flooding || fail "that is no flood: $(status .counters.tcp) $(cat "$RUN/gen1.err")"
generator 0 90 --traffic mqtt --connections 50000 --qos 1 --rate 12000 --seconds 6
wait_for 90 reported 0 || fail "the devices: $(cat "$RUN"/gen0*) $(status .counters.tcp) $(status .counters.mqtt)"
pkill -INT -P "$flood" # sluice-gen itself
wait_for 20 reported 1 || fail "the flood: $(cat "$RUN"/gen1*)"
cat "$RUN/gen0" "$RUN/gen1"
jq -se '.[0].connected == 50000 and .[0].lost == 0 and .[-1].lost_connections == 0 and .[-1].wrong_answers == 0
	and .[-1].published > 40000 and .[-1].answered == .[-1].published' "$RUN/gen0" >/dev/null || fail "the devices, see above"
lab_stop
[ "$(status '.transports.mqtt.messages.acked')" = "$(jq -s '.[-1].published' "$RUN/gen0")" ] ||
	fail "acknowledged: $(status .transports.mqtt.messages)"
[ "$(status '.counters.tcp["source-limited"] // 0')" -gt 1000 ] || fail "the flood was never under limits: $(status .counters.tcp)"
