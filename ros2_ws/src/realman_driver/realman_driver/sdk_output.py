"""What the vendor's SDK prints: raw lines for each failed attempt, for ever; the log says the same in words.

Its binary writes to the standard output of the process, past every log; so a process that holds the SDK gives
that away. Python's errors go to the standard error and stay.
"""

from __future__ import annotations

import os
import sys

SHOW = "KINE_SDK_OUTPUT"
"""Environment variable: when it is set, the SDK's own lines are shown."""


def hide() -> None:
    """Send the standard output of this process to nowhere, unless `KINE_SDK_OUTPUT` is set."""
    if os.environ.get(SHOW):
        return
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
