"""Fixtures of the policy's tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from plan_rig import FakePolicy, Rig

from kinevla_policy.loop_types import LoopSettings


@pytest.fixture
def rig_of() -> Iterator[Callable[[FakePolicy, LoopSettings], Rig]]:
    """Makes rigs, and ends them after the test."""
    rigs: list[Rig] = []

    def make(policy: FakePolicy, settings: LoopSettings) -> Rig:
        rigs.append(Rig(policy, settings))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()
