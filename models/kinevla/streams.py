"""What a program prints, in a terminal that does not have every letter."""

from __future__ import annotations

import io
import sys


def print_every_letter() -> None:
    """Print letters that the locale's encoding lacks (a dash in Latin-1) as escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() not in ("utf-8", "utf8"):
            stream.reconfigure(errors="backslashreplace")
