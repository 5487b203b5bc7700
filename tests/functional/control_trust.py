#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Outside CAs made with OpenSSL: trust and its dry run, revocation lists (forged, older, on hold,
overdue), devices provisioned by their certificate, warnings before anything ends."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from control_lab import Lab  # noqa: E402

lab = Lab()
lab.controld()
lab.sluiced()
pki = lab.dir / "pki"
pki.mkdir()


def openssl(*words, **more):
    done = subprocess.run(["openssl", *map(str, words)], cwd=pki, capture_output=True, text=True, timeout=60, **more)
    lab.check(done.returncode == 0, f"openssl {words}: {done.stderr}")
    return done.stdout


class CA:
    """A CA directory as `openssl ca` wants it."""

    def __init__(self, name, subject, above=None, days=900):
        self.name, self.made = name, 0
        self.dir = pki / name
        self.dir.mkdir()
        (self.dir / "index.txt").touch()
        (self.dir / "crlnumber").write_text("0A\n")
        (self.dir / "serial").write_text("0100\n")
        self.config = self.dir / "ca.cnf"
        self.config.write_text(f"""
[ca]
default_ca = this
[this]
database = {self.dir}/index.txt
crlnumber = {self.dir}/crlnumber
serial = {self.dir}/serial
new_certs_dir = {self.dir}
certificate = {self.dir}/ca.pem
private_key = {self.dir}/ca.key
default_md = sha256
default_days = 90
default_crl_days = 30
policy = any
copy_extensions = copy
unique_subject = no
crl_extensions = crl_ext
[any]
commonName = supplied
[crl_ext]
authorityKeyIdentifier = keyid
[req]
distinguished_name = dn
[dn]
""")
        extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                      "-addext", "subjectKeyIdentifier=hash"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.dir / "ca.key"]
        if above is None:
            openssl("req", "-x509", *key, "-out", self.dir / "ca.pem", "-subj", subject, "-days", days, *extensions)
        else:
            openssl("req", "-new", *key, "-out", self.dir / "ca.csr", "-subj", subject, *extensions)
            above.sign(self.dir / "ca.csr", self.dir / "ca.pem", days=days)

    def sign(self, csr, out, days=90, start=None):
        # "from,to" instead of days from now
        more = ["-startdate", start.split(",")[0], "-enddate", start.split(",")[1]] if start else []
        openssl("ca", "-config", self.config, "-batch", "-notext", "-in", csr, "-out", out, "-days", days, *more)

    def device(self, cn, san=None, usage="clientAuth", days=90, start=None):
        self.made += 1
        files = [pki / f"{self.name}-{self.made}.{end}" for end in ("key", "csr", "pem")]
        more = ["-addext", f"subjectAltName={san}"] if san else []
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", files[0],
                "-out", files[1], "-subj", f"/CN={cn}", "-addext", f"extendedKeyUsage={usage}",
                "-addext", "keyUsage=digitalSignature", *more)
        self.sign(files[1], files[2], days, start)
        return files[2]

    def revoke(self, pem, reason):
        openssl("ca", "-config", self.config, "-revoke", pem, "-crl_reason", reason)

    def unlist(self, pem):
        serial = openssl("x509", "-in", pem, "-noout", "-serial").split("=")[1].strip()
        index = self.dir / "index.txt"
        index.write_text("".join(line for line in index.read_text().splitlines(True) if serial not in line))

    def crl(self, name, *more):
        out = pki / name
        openssl("ca", "-config", self.config, "-gencrl", "-out", out, *more)
        openssl("crl", "-in", out, "-CAfile", self.dir / "ca.pem", "-noout")
        return out


def ctl(status, *words):
    done = lab.ctl(*words)
    lab.check(done.returncode == status, f"sluicectl {words}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def post(target, pem, **more):
    return lab.call("POST", target, {"certificate": pem.read_text(), **more})


def provision(pem):
    status, answer = post("/v1/provision", pem)
    lab.check(status == 200, answer)
    return answer


def decides(pem, accepted, reason, created=False, device=None, state=None):
    got = provision(pem)
    want = {"accepted": accepted, "reason": reason, "created": created, "device": device, "state": state}
    lab.check({k: got[k] for k in want} == want, f"{pem.name}: {got}, not {want}")
    return got


def credentials(device):
    shown = lab.call("GET", f"/v1/devices/{device}")[1]
    return sum(c["kind"] == "certificate" for c in shown["credentials"])


# --- whom to trust
factory = CA("factory", "/CN=Factory Root")
line = CA("line", "/CN=Line 1", above=factory)
other = CA("other", "/CN=Other Root")
impostor = CA("impostor", "/CN=Line 1")  # the same name, another key
pump = line.device("pump-1")
decides(pump, False, "untrusted-issuer")
bundle = pki / "bundle.pem"
bundle.write_text((line.dir / "ca.pem").read_text() + (factory.dir / "ca.pem").read_text())
lab.check("pump" not in ctl(0, "trust", "add", "factory", "--pem", bundle), "trust add")
trust = {t["name"]: t for t in lab.call("GET", "/v1/trust")[1]["issuers"]}
lab.check(trust["factory"]["anchor"] and not trust["factory-2"]["anchor"], f"bundle: {trust}")
ctl(4, "trust", "add", "factory", "--pem", bundle)
ctl(4, "trust", "add", "device", "--pem", pump)
ctl(4, "trust", "add", "nonsense", "--pem", lab.dir / "sluice.yaml")

# --- provisioning
decides(pump, False, "no-template")
ctl(3, "template", "set", "--issuer", "nobody", "--pattern", "*", "--profile", "line")
ctl(4, "template", "set", "--issuer", "factory", "--pattern", "*", "--profile", "line", "--name", "%colour")
ctl(4, "template", "set", "--issuer", "factory", "--pattern", "*", "--profile", "line", "--name", "always-the-same")
ctl(0, "template", "set", "--issuer", "factory", "--pattern", "pump-*", "--profile", "line")
ctl(0, "template", "set", "--issuer", "factory-2", "--pattern", "*.plant.example", "--profile", "line",
    "--name", "%san", "--state", "active")
decides(pump, False, "device-not-active", True, "pump-1", "pending")
decides(pump, False, "device-not-active", False, "pump-1", "pending")
ctl(0, "device", "resume", "pump-1")
decides(pump, True, "", False, "pump-1", "active")
shown = lab.call("GET", "/v1/devices/pump-1")[1]
lab.check(shown["profile"] == "line" and credentials("pump-1") == 1, shown)
valve = line.device("anything", san="DNS:valve-7.plant.example,URI:urn:x")
decides(valve, True, "", True, "valve-7.plant.example", "active")
lab.check("accepted" in ctl(0, "device", "provision", "--certificate", valve), "provision by hand")
# Outside of every pattern, a name that a topic cannot carry, another CA, wrong use, wrong time.
decides(line.device("valve-1"), False, "no-template")
decides(line.device("pump-2#1"), False, "bad-name")  # nor does it have a subjectAltName
decides(other.device("pump-3"), False, "untrusted-issuer")
decides(impostor.device("pump-4"), False, "untrusted-issuer")
decides(line.device("pump-5", usage="serverAuth"), False, "not-for-clients")
decides(line.device("pump-6", start="20200101000000Z,20200201000000Z"), False, "expired")
decides(line.device("pump-7", start="20990101000000Z,20990201000000Z"), False, "not-yet-valid")
# A renewal by the same issuer joins the device; a name that somebody else has does not go to it.
again = line.device("pump-1")
decides(again, True, "", False, "pump-1", "active")
lab.check(credentials("pump-1") == 2, "the renewed certificate")
ctl(0, "device", "add", "pump-8")
decides(line.device("pump-8"), False, "name-taken", device="pump-8", state="active")
by_hand = line.device("pump-8")
ctl(0, "cert", "add", "pump-8", "--certificate", by_hand)
ctl(4, "cert", "add", "pump-8", "--certificate", by_hand)
ctl(4, "cert", "add", "pump-8", "--certificate", other.device("pump-8"))
decides(by_hand, True, "", False, "pump-8", "active")
# Suspended, revoked, removed: the certificate does not help.
ctl(0, "device", "suspend", "pump-8")
decides(by_hand, False, "device-not-active", False, "pump-8", "suspended")
ctl(0, "device", "resume", "pump-8")
gone = line.device("pump-9")
decides(gone, False, "device-not-active", True, "pump-9", "pending")
ctl(0, "device", "remove", "pump-9")
decides(gone, False, "revoked")
decides(line.device("pump-9"), False, "device-removed", device="pump-9")

# --- the issuer's revocation list
early = line.crl("early.crl")
line.revoke(pump, "keyCompromise")
first = line.crl("first.crl")
lab.check("entries" in ctl(0, "crl", "import", first), "import")
decides(pump, False, "revoked")
decides(again, True, "", False, "pump-1", "active")
lab.check(credentials("pump-1") == 1, "the revoked certificate is still a credential")
rows = {c["sha256"]: c for c in lab.call("GET", "/v1/certificates?device=pump-1")[1]["certificates"]}
lab.check([c["reason"] for c in rows.values() if c["state"] == "revoked"] == ["crl: keyCompromise"], rows)
status, answer = lab.call("POST", "/v1/crls", first.read_bytes())
lab.check(status == 200 and answer["unchanged"], f"the same list: {answer}")
lab.check("does not come after" in ctl(4, "crl", "import", early), "an older list is taken")
other.revoke(other.device("x"), "superseded")
lab.check("no trusted issuer" in ctl(4, "crl", "import", other.crl("other.crl")), "a stranger's list is taken")
impostor.revoke(impostor.device("y"), "superseded")
(impostor.dir / "crlnumber").write_text("FF\n")
lab.check("signature" in ctl(4, "crl", "import", impostor.crl("forged.crl")), "a forged list is taken")
lab.check(lab.call("GET", "/v1/trust")[1]["issuers"][1]["crl"]["number"] != "ff", "the forged list is in force")
broken = bytearray(first.read_bytes())
broken[len(broken) // 2] ^= 1
(pki / "broken.crl").write_bytes(broken)
ctl(4, "crl", "import", pki / "broken.crl")
# DER as well as PEM; a certificate on hold comes back when the next list does not name it.
line.revoke(again, "certificateHold")
held = line.crl("held.crl")
openssl("crl", "-in", held, "-outform", "der", "-out", pki / "held.der")
ctl(0, "crl", "import", pki / "held.der")
decides(again, False, "revoked")
line.unlist(again)
status, answer = lab.call("POST", "/v1/crls", line.crl("released.crl").read_bytes())
lab.check(answer["released"] == 1, answer)
decides(again, True, "", False, "pump-1", "active")
# A list whose next update is past is taken, and told.
line.crl("short.crl", "-crl_lastupdate", "20240101000000Z", "-crl_nextupdate", "20240102000000Z")
ctl(4, "crl", "import", pki / "short.crl")  # its time is before that of the list in force
factory.crl("overdue.crl", "-crl_lastupdate", "20240101000000Z", "-crl_nextupdate", "20240102000000Z")
ctl(0, "crl", "import", pki / "overdue.crl")
status = lab.ctl("status")
lab.check(status.returncode == 8 and "revocation lists are overdue: factory" in status.stdout, status.stdout)
lab.check("factory" in ctl(0, "crl", "list"), "crl list")
# The issuer of the issuer revokes it: all below is refused.
factory.revoke(line.dir / "ca.pem", "cACompromise")
ctl(0, "crl", "import", factory.crl("root.crl"))
decides(again, False, "revoked")

# --- what hangs on an issuer
affected = lab.call("DELETE", "/v1/trust/factory?dry_run=yes")[1]
lab.check(affected["devices"] == ["pump-1", "pump-8", "valve-7.plant.example"], affected)
lab.check("pump-8" in ctl(0, "trust", "remove", "factory", "--dry-run"), "dry run")
lab.check("factory" in ctl(0, "trust", "list"), "a dry run removed the trust")
ctl(0, "trust", "remove", "factory")
decides(valve, False, "untrusted-issuer")
soon = CA("soon", "/CN=Soon", days=20)
ctl(0, "trust", "add", "soon", "--pem", soon.dir / "ca.pem")
status = lab.ctl("status")
lab.check("issuers expire within 30 days: soon" in status.stdout, status.stdout)
lab.check("unbroken" in ctl(0, "audit", "verify"), "audit")
print("ok")
