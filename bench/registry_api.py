#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The control plane as an operator meets it, at a million devices: import through sluicectl and the
API socket, size on disk, memory of sluice-controld, calls per second. JSON on standard output.

    bench/registry_api.py [DEVICES]

The caller is Python on the same CPUs and part of the figures; changes are on disk when answered
(synchronous=FULL), so their rate is the disk's as well."""

import json
import multiprocessing
import os
import resource
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))
from control_lab import Lab  # noqa: E402

DEVICES = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
SECONDS = 3
lab = Lab()


def memory(pid, field):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def cpu(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def caller(request, count, go):
    """Calls over one kept connection until the time is over; answers are read whole."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(lab.api)
    n = 0
    go.wait()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        s.sendall(request(n))
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += s.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 20"), head
        length = int([h for h in head.split(b"\r\n") if h.lower().startswith(b"content-length")][0].split(b":")[1])
        while len(body) < length:
            body += s.recv(65536)
        n += 1
    with count.get_lock():
        count.value += n


def rate(make, callers, pid):
    count, go = multiprocessing.Value("q", 0), multiprocessing.Event()
    processes = [multiprocessing.Process(target=caller, args=(make(i), count, go)) for i in range(callers)]
    for p in processes:
        p.start()
    time.sleep(0.3)
    before = cpu(pid)
    go.set()
    for p in processes:
        p.join()
    spent = cpu(pid) - before
    return {"per_s": round(count.value / SECONDS), "per_cpu_s": round(count.value / spent) if spent > 0 else None}


def show(caller_number):
    return lambda n: (f"GET /v1/devices/device-{(n * 7919 + caller_number) % DEVICES:08d} HTTP/1.1\r\n"
                      "Host: x\r\n\r\n").encode()


def change(caller_number):
    def request(n):
        body = json.dumps({"records_per_s": n % 1000}).encode()
        return (f"PATCH /v1/devices/device-{caller_number:08d} HTTP/1.1\r\nHost: x\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
    return request


daemon = lab.controld()
empty = memory(daemon.pid, "VmRSS")
with open(lab.dir / "fleet.csv", "w", encoding="ascii") as f:
    f.write("name,profile,records_per_s,labels\n")
    f.writelines(f"device-{i:08d},line,10,site=s{i % 100}\n" for i in range(DEVICES))
begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
done = lab.ctl("device", "import", lab.dir / "fleet.csv", "--json")
seconds = time.monotonic() - begin
lab.check(done.returncode == 0 and json.loads(done.stdout)["added"] == DEVICES, done.stdout + done.stderr)
begin = time.monotonic()
export = lab.ctl("device", "export").stdout
export_s = time.monotonic() - begin
lab.check(export.count("\n") == DEVICES + 1, "export")
registry = sum(p.stat().st_size for p in (lab.dir / "state").glob("registry.db*"))
result = {
    "devices": DEVICES, "import_s": round(seconds, 1), "import_rows_per_s": round(DEVICES / seconds),
    "export_s": round(export_s, 1), "disk_bytes_per_device": round(registry / DEVICES, 1),
    "controld_rss_bytes": memory(daemon.pid, "VmRSS"), "controld_rss_empty_bytes": empty,
    "show_1_caller": rate(show, 1, daemon.pid), "show_4_callers": rate(show, 4, daemon.pid),
    "change_1_caller": rate(change, 1, daemon.pid), "change_4_callers": rate(change, 4, daemon.pid),
}
begin = time.monotonic()
lab.call("GET", "/v1/devices?match=*99999*&limit=10")
result["list_by_pattern_s"] = round(time.monotonic() - begin, 2)
begin = time.monotonic()
lab.call("GET", "/v1/status")
result["status_s"] = round(time.monotonic() - begin, 3)
begin = time.monotonic()
lab.stop("controld")
lab.controld()
result["restart_with_check_s"] = round(time.monotonic() - begin, 2)
print(json.dumps(result))
