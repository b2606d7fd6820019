"""Lets programs of the workspace start whose interpreter lies in a folder with a blank, or far down.

Linux ends the first line of a script at a blank and after some 127 bytes; a shell then has to hand it over,
the way pip writes it. Usage: `shell_starters.py FOLDER`, as of `ros2_ws/install`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

MAX_LINE_BYTES = 127


def mend(script: Path) -> bool:
    """Rewrite the first line of a script where Linux would not understand it; says whether it did."""
    with script.open("rb") as file:
        if file.read(2) != b"#!":
            return False
        line = file.readline().rstrip(b"\n")
        rest = file.read()
    interpreter = line.strip().strip(b'"')
    if b" " not in interpreter and len(line) + 2 <= MAX_LINE_BYTES and b'"' not in line:
        return False
    if not os.path.isfile(interpreter):  # an interpreter with an option, as `/usr/bin/env python3`
        return False
    start = b"#!/bin/sh\n'''exec' \"" + interpreter + b'" "$0" "$@"\n\' \'\'\'\n'
    fresh = script.with_name(f".{script.name}.new")
    fresh.write_bytes(start + rest)
    fresh.chmod(script.stat().st_mode)
    fresh.replace(script)
    return True


def main() -> None:
    """All programs below a folder."""
    for kind in ("*/lib/*/*", "*/bin/*"):
        for path in Path(sys.argv[1]).glob(kind):
            if path.is_file() and not path.is_symlink() and os.access(path, os.X_OK):
                mend(path)


if __name__ == "__main__":
    main()
