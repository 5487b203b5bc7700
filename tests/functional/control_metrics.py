#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""/metrics on its own TCP address: parsed as strictly as the Prometheus text format 0.0.4 is written,
the families an operator needs are there, and no series is of a device, however many there are."""

import http.client
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from control_lab import Lab  # noqa: E402

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*)?\}})? (NaN|[+-]?Inf|[+-]?[0-9.]+(?:e[+-]?[0-9]+)?)")
lab = Lab()


def get(path, method="GET"):
    c = http.client.HTTPConnection("127.0.0.1", 19465, timeout=20)
    c.request(method, path)
    r = c.getresponse()
    return r.status, r.getheader("Content-Type"), r.read().decode()


def parse(text):
    """{series: value}, {family: type}; fails where a scraper would."""
    lab.check(text.endswith("\n"), "the last line does not end")
    series, types, helped, closed, family = {}, {}, set(), set(), None
    for n, line in enumerate(text.splitlines(), 1):
        where = f"line {n}: {line}"
        comment = re.fullmatch(rf"# (HELP|TYPE) ({NAME})(?: (.*))?", line)
        if comment:
            kind, name, rest = comment.groups()
            if name != family:
                lab.check(name not in closed, f"the family comes twice: {where}")
                closed.add(family)
                family = name
            if kind == "TYPE":
                lab.check(rest in ("counter", "gauge", "histogram", "summary", "untyped"), where)
                lab.check(name not in types, f"a second TYPE: {where}")
                types[name] = rest
            else:
                lab.check(name not in helped and rest, f"HELP: {where}")
                helped.add(name)
            continue
        sample = SAMPLE.fullmatch(line)
        lab.check(sample is not None, f"no sample: {where}")
        name, labels, value = sample.groups()
        lab.check(name == family and name in types, f"outside of its family: {where}")
        key = (name, labels or "")
        lab.check(key not in series, f"the series comes twice: {where}")
        series[key] = float(value)
    for name, kind in types.items():
        lab.check(name.startswith("sluice_"), f"{name} is not ours")
        lab.check((kind == "counter") == name.endswith("_total"), f"{name} is a {kind}")
        lab.check(any(n == name for n, _ in series), f"{name} has no series")
    return series, types


lab.controld("-m", "127.0.0.1:19465")
series, types = parse(get("/metrics")[2])
lab.check(series["sluice_data_plane_up", ""] == 0, "up without a data plane")
lab.sluiced()
status, kind, text = get("/metrics")
lab.check(status == 200 and kind.startswith("text/plain; version=0.0.4"), f"{status} {kind}")
series, types = parse(text)
for family in ("data_plane_up", "ledger_balanced", "frames_received_total", "messages_received_total", "stage_total",
               "topic_delivered_total", "egress_in_flight", "registry_devices", "registry_bytes", "registry_version",
               "registry_version_applied", "certificates_expiring", "issuers_expiring", "revocation_lists_overdue",
               "api_requests_total", "api_denied_total", "device_events_total"):
    lab.check(f"sluice_{family}" in types, f"no family {family}: {sorted(types)}")
lab.check(series["sluice_messages_received_total", 'transport="udp"'] == 900, "the value of a counter")
lab.check(series["sluice_certificates_expiring", 'days="30"'] == 0, "certificates")
before = set(series)
rows = "".join(f"dev-{i},meter,site=s{i}\n" for i in range(3000))
lab.check(lab.call("POST", "/v1/import", f"name,profile,labels\n{rows}".encode(), "text/csv")[0] == 200, "import")
series, types = parse(get("/metrics")[2])
lab.check(set(series) == before, f"series grew with the devices: {set(series) - before}")
lab.check(series["sluice_registry_devices", 'state="active"'] == 3000, "devices")
lab.check("dev-1" not in get("/metrics")[2], "a device in the metrics")
# Nothing but that is there, and nothing of the API.
lab.check(get("/v1/devices")[0] == 404 and get("/metrics", "POST")[0] == 404, "more than GET /metrics")
# Close to expiry, and the alert goes when there is a successor.
lab.signd()
lab.call("POST", "/v1/ca", {"organisation": "Test"})
lab.check(lab.call("POST", "/v1/certificates", {"device": "dev-1", "days": 5})[0] == 201, "issue")
series, _ = parse(get("/metrics")[2])
expiring = [series["sluice_certificates_expiring", f'days="{d}"'] for d in (0, 7, 30)]
lab.check(expiring == [0, 1, 1], f"close to expiry: {expiring}")
lab.check(lab.call("POST", "/v1/certificates", {"device": "dev-1", "renew": True, "early": True})[0] == 201, "renew")
series, _ = parse(get("/metrics")[2])
lab.check(series["sluice_certificates_expiring", 'days="30"'] == 0, "with a successor")
print(f"{len(series)} series of {len(types)} families")
