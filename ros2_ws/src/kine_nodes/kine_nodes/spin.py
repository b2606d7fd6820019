"""Run a node until a signal asks it to end, and leave the ROS context alive for an orderly end.

rclpy's own handlers shut the context down first: what a node publishes or logs while it ends is then lost.
`ros2 launch` also passes on a Ctrl-C that the terminal has sent already, so that it arrives twice; the second
must not cut the end short. Here a signal only sets a flag while the node serves; before that, while it still
loads things, the first one raises KeyboardInterrupt as soon as no module is being imported.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

import rclpy
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from kine_nodes import parameter_file
from kine_nodes.bounded import BoundedExecutor
from kine_nodes.thread_deaths import death, describe, watch_threads
from kinevla.streams import print_every_letter

# How long a thread keeps the interpreter while others wait for it: a stop passes through several threads.
SWITCH_INTERVAL_S = 0.001
# How often it is looked whether a module is still being imported before a signal is acted on, and how long:
# who sends one kills what is still there after 5 to 10 s.
IMPORT_POLL_S, IMPORT_PATIENCE_S = 0.05, 3.0

_stop = threading.Event()
_told = threading.Event()  # by KeyboardInterrupt
_serving = threading.Event()
_asked_s = 0.0  # monotonic time of the first signal


def _ask_to_stop(number: int, frame: FrameType | None) -> None:
    global _asked_s
    if not _stop.is_set():
        _asked_s = time.monotonic()
    _stop.set()
    if _serving.is_set() or _told.is_set():
        return
    if _importing(frame):
        if time.monotonic() - _asked_s > IMPORT_PATIENCE_S:
            os._exit(0)
        # A library in C++ aborts when an exception comes out of what it imports: later, then.
        again = threading.Timer(IMPORT_POLL_S, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
        return
    _told.set()
    raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _refuse(text: str) -> NoReturn:
    print(f"{Path(sys.argv[0]).stem}: {' '.join(text.split())}", file=sys.stderr)
    sys.exit(2)


def init(args: list[str] | None = None) -> None:
    """Like `rclpy.init`, with SIGINT and SIGTERM ending `spin_until_signal` instead of the context.

    Until `spin_until_signal` runs, the first signal raises KeyboardInterrupt, though not while a module is
    being imported. ROS arguments that are not allowed, or a parameter file that cannot be read, end the
    program with status 2 and one line. From now on a thread that dies ends `spin_until_signal`.
    """
    for event in (_stop, _told, _serving):
        event.clear()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ask_to_stop)
    watch_threads()
    print_every_letter()
    try:
        for path in parameter_file.given(sys.argv if args is None else args):
            parameter_file.read(path)
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except ValueError as error:
        _refuse(str(error))
    except RuntimeError as error:
        _refuse(f"ROS cannot start: {error}")


def spin_until_signal(node: Node, period_s: float = 0.1, executor: Executor | None = None) -> int:
    """Serve the node's callbacks until SIGINT or SIGTERM; a signal is noticed within `period_s`.

    What the node holds when it begins to serve is taken out of the garbage collector's rounds: going through
    all modules and messages holds up every thread for some tens of milliseconds now and then.

    `executor` None: a single-threaded one, in which messages that are too large hold up no thread.

    Returns:
        The program's exit status: 0 after a signal, 1 when a callback raised or a thread of the program died,
        with one line in the log that says why. The caller closes the node in either case.
    """
    gc.collect()
    gc.freeze()
    _serving.set()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    executor = executor or BoundedExecutor()
    executor.add_node(node)
    try:
        while rclpy.ok() and not _stop.is_set() and not death():
            executor.spin_once(timeout_sec=period_s)
        failure = death()
    except Exception as error:
        failure = f"a callback failed: {describe(error)}"
    finally:
        gc.unfreeze()
        for number in (signal.SIGINT, signal.SIGTERM):
            # Ignored, not caught: while it exits, Python gives caught signals back their deadly default.
            signal.signal(number, signal.SIG_IGN)
        executor.remove_node(node)
        executor.shutdown(timeout_sec=0.5)
    if failure:
        node.get_logger().fatal(f"ending: {failure}")
    return 1 if failure else 0
