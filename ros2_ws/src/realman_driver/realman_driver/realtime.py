"""Real-time priority for this process, so that the 100 Hz stream does not wait for a busy computer."""

from __future__ import annotations

import os
from pathlib import Path

THREADS = Path("/proc/self/task")


def raise_priority(priority: int) -> str:
    """Put every thread of this process under SCHED_FIFO; threads and processes made later inherit it.

    All of them, not the stream alone: a thread of the same interpreter that is kept from running while it
    holds the interpreter's lock would hold up the stream as well.

    Args:
        priority: 1 to 99, see `sched(7)`; 0 leaves everything as it is.

    Returns:
        Nothing, or why it was not possible.
    """
    if priority == 0:
        return ""
    if len(os.sched_getaffinity(0)) < 2:
        # With one processor it may wait, spinning in the kernel, for what runs only when it does not.
        return "this process may use one processor only: the stream runs at normal priority"
    try:
        for thread in THREADS.iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError:
        return (
            f"real-time priority {priority} is not permitted here (limit rtprio or capability SYS_NICE): "
            "the stream runs at normal priority"
        )
    except (OSError, AttributeError) as error:
        return f"real-time priority {priority} could not be set ({error}): the stream runs at normal priority"
    return ""
