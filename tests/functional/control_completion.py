#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shell completion as a user has it: bash and zsh on a terminal, a word begun, the tab key. Colour
and questions only on a terminal. Man pages of every noun."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from control_lab import BUILD, Lab  # noqa: E402

lab = Lab()
lab.controld()
bin_ = lab.dir / "bin"
bin_.mkdir()
(bin_ / "sluicectl").symlink_to(BUILD / "controlplane/sluicectl")
for name in ("pump-17", "pump-18", "valve-1"):
    lab.check(lab.call("POST", "/v1/devices", {"name": name})[0] == 201, name)
ENVIRONMENT = {"PATH": f"{bin_}:/usr/bin:/bin", "SLUICE_API": lab.api, "TERM": "dumb", "HOME": str(lab.dir), "LC_ALL": "C.UTF-8"}


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *command, env=None):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, dict(ENVIRONMENT, **(env or {})))

    def type(self, text):
        os.write(self.fd, text.encode())

    def until(self, pattern, seconds=20):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.seen):
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                lab.fail(f"no '{pattern}' on the terminal: {self.seen[-600:]!r}")
            try:
                more = os.read(self.fd, 4096)
            except OSError:
                more = b""
            if not more:
                break
            self.seen += more.decode(errors="replace")
        lab.check(re.search(pattern, self.seen), f"no '{pattern}' on the terminal: {self.seen[-600:]!r}")
        return self.seen

    def close(self):
        """Until it ends by itself: a terminal that goes away would end it with a signal."""
        end = time.monotonic() + 20
        while time.monotonic() < end and select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
            try:
                if not os.read(self.fd, 4096):
                    break
            except OSError:
                break
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def completes(shell, begun, done):
    """Type `begun`, tab, and the line reads `done`. The line is given up afterwards."""
    shell.seen = ""
    shell.type(begun + "\t")
    shell.until(re.escape(done))
    shell.type("\x15")


def both(shell):
    completes(shell, "sluicectl templ", "sluicectl template ")
    completes(shell, "sluicectl ca cr", "sluicectl ca crl ")
    completes(shell, "sluicectl cert issue dev --key-o", "sluicectl cert issue dev --key-out")
    completes(shell, "sluicectl device list --js", "sluicectl device list --json")
    completes(shell, "sluicectl status --soc", "sluicectl status --socket")
    completes(shell, "sluicectl device show valv", "sluicectl device show valve-1")


(lab.dir / "sluicectl.bash").write_text(lab.ctl("completion", "bash").stdout)
bash = Terminal("bash", "--norc", "--noprofile", "-i")
bash.type(f"PS1='ready> '; bind 'set bell-style none'; source {lab.dir}/sluicectl.bash; echo loa''ded\n")
bash.until("loaded")
both(bash)
bash.type("exit 0\n")
lab.check(bash.close() == 0, "bash")

if shutil.which("zsh"):
    functions = lab.dir / "functions"
    functions.mkdir()
    (functions / "_sluicectl").write_text(lab.ctl("completion", "zsh").stdout)
    zsh = Terminal("zsh", "-f", "-i")
    zsh.type(f"PS1='ready> '; unsetopt beep; fpath=({functions} $fpath); autoload -Uz compinit; compinit -u -D; echo loa''ded\n")
    zsh.until("loaded")
    both(zsh)
    zsh.type("exit 0\n")
    lab.check(zsh.close() == 0, "zsh")
else:
    print("no zsh here: its completion was made, and not used")
    lab.check(lab.ctl("completion", "zsh").stdout.startswith("#compdef sluicectl"), "completion zsh")

# Colour on a terminal, and not without one, nor with NO_COLOR.
done = lab.ctl("device", "list")
lab.check("\x1b" not in done.stdout, "colour in a pipe")
for env, colour in (({"TERM": "xterm-256color"}, True), ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False)):
    t = Terminal(str(bin_ / "sluicectl"), "status", env=env)
    t.until("right")
    t.close()
    lab.check(("\x1b[31m" in t.seen) == colour, f"{env}: {t.seen!r}")
# A question on a terminal, whose answer counts; none without.
t = Terminal(str(bin_ / "sluicectl"), "device", "revoke", "pump-17")
t.until("are you sure")
t.type("n\n")
lab.check(t.close() == 4, "no is no")
lab.check(lab.call("GET", "/v1/devices/pump-17")[1]["state"] == "active", "revoked although the answer was no")
t = Terminal(str(bin_ / "sluicectl"), "device", "revoke", "pump-17")
t.until("are you sure")
t.type("y\n")
t.until("revoked")
lab.check(t.close() == 0, "yes")
lab.check(lab.ctl("device", "revoke", "pump-18").returncode == 0, "a question without a terminal")
# Man pages: one per noun, and man has nothing to say against them.
(lab.dir / "man").mkdir()
lab.check(lab.ctl("manual", "man", lab.dir / "man").returncode == 0, "manual man")
pages = sorted((lab.dir / "man").glob("*.1"))
lab.check(len(pages) > 15 and (lab.dir / "man/sluicectl-cert.1") in pages, pages)
for page in pages:
    said = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, MANWIDTH="100", LC_ALL="C.UTF-8"))
    lab.check(said.returncode == 0 and not said.stderr, f"{page.name}: {said.stderr[:500]}")
    lab.check("EXIT STATUS" in said.stdout and "sluicectl" in said.stdout, page.name)
print(f"{len(pages)} man pages")
