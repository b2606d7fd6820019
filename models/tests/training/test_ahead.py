"""Work done ahead by threads."""

from __future__ import annotations

import threading
import time
from itertools import count, islice

import pytest

from kinevla.training.ahead import computed_ahead


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_results_come_in_the_order_of_the_items_whatever_takes_longer(threads: int) -> None:
    def slow_at_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0.0)
        return item * item

    assert list(computed_ahead(slow_at_first, range(9), threads)) == [n * n for n in range(9)]


def test_an_endless_supply_is_not_run_through_and_the_threads_end() -> None:
    asked = []

    def note(item: int) -> int:
        asked.append(item)
        return item

    results = computed_ahead(note, count(), 2)
    assert list(islice(results, 3)) == [0, 1, 2]
    results.close()
    assert len(asked) <= 3 + 2 * 2
    assert not [thread for thread in threading.enumerate() if "ThreadPoolExecutor" in thread.name]


def test_a_failure_is_met_where_its_result_would_have_come() -> None:
    def fails_at_two(item: int) -> float:
        return 1.0 / (item - 2)

    results = computed_ahead(fails_at_two, range(5), 3)
    assert [next(results), next(results)] == [-0.5, -1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_negative_number_of_threads_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        list(computed_ahead(str, range(2), -1))
