# SPDX-License-Identifier: Apache-2.0
"""The files of the checkout, for the lints: what a developer wrote, nothing that a build made."""

import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRUNED = re.compile(r"^(\.git|\.cache|build.*|node_modules|target|__pycache__|sluice-cache)$")
# Inputs whose bytes are the point.
INPUTS = re.compile(r"^tests/(fuzz/(corpus|regression)|functional/captures|unit/[^/]+/files)/")


def files(pattern=r".*", inputs=False):
    """Paths relative to the top whose name matches, sorted."""
    found = []
    wanted = re.compile(pattern)
    for folder, folders, names in os.walk(TOP):
        folders[:] = sorted(f for f in folders if not PRUNED.match(f))
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), TOP)
            if os.path.islink(os.path.join(TOP, path)) or name == ".git":
                continue
            if wanted.search(path) and (inputs or not INPUTS.match(path)):
                found.append(path)
    return sorted(found)


def c_files():
    return files(r"\.[ch]$")


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def first_line(path):
    with open(os.path.join(TOP, path), "rb") as f:
        return f.readline(200).decode("utf-8", "replace")


def scripts(interpreter):
    """Files whose first line starts that interpreter, whatever their name."""
    return [p for p in files() if re.match(r"#!.*\b" + interpreter, first_line(p))]


def without_comments(text):
    """C source with comments, strings and character constants blanked; lines stay where they are."""
    token = re.compile(
        r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL
    )
    return token.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


class Excuses:
    """`what: reason` lines; an excuse without a reason or that nobody needs is a mistake itself."""

    def __init__(self, path, columns=1):
        self.path = path
        self.unused = {}
        self.mistakes = []
        full = os.path.join(TOP, path)
        lines = open(full, encoding="utf-8").read().splitlines() if os.path.exists(full) else []
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            what, _, reason = line.partition(": ")
            key = tuple(what.split())
            if len(key) != columns or not reason.strip():
                self.mistakes.append(f"{path}:{number}: must read '{'WHAT ' * columns}: reason'")
            else:
                self.unused[key] = number
        self.known = set(self.unused)

    def excused(self, *key):
        if key not in self.known:
            return False
        self.unused.pop(key, None)
        return True

    def leftovers(self):
        return self.mistakes + [
            f"{self.path}:{n}: nothing needs the excuse for {' '.join(k)}"
            for k, n in self.unused.items()
        ]


def finish(name, problems, looked_at):
    """Print the verdict and end the program."""
    for p in problems:
        print(p)
    if looked_at == 0:
        print(f"{name}: looked at nothing, which cannot be right")
        sys.exit(1)
    print(f"{name}: {looked_at} looked at, {len(problems)} wrong", file=sys.stderr)
    sys.exit(1 if problems else 0)
