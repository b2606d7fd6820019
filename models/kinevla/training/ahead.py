"""Work done ahead by threads while its results are used in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def computed_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Generator[Result, None, None]:
    """Yield function(item) of all items in order, at most two results per thread ahead.

    Decoding images leaves Python's lock, so threads are enough and nothing has to be copied to a process.

    Args:
        function: called from other threads, for several items at a time.
        items: may be endless.
        threads: 0 computes each item when it is asked for.

    Raises:
        ValueError: a negative number of threads.
    """
    if threads < 0:
        raise ValueError(f"threads must be at least 0, got {threads}")
    if threads == 0:
        yield from map(function, items)
        return
    # One thread of tensor operations each: together they fill the processor already.
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    rest = iter(items)
    pending: deque[Future[Result]] = deque()
    try:
        while True:
            for item in islice(rest, 2 * threads - len(pending)):
                pending.append(pool.submit(function, item))
            if not pending:
                return
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
