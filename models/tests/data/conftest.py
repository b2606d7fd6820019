from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from kinevla.data.episode import encode_frames
from kinevla.data.episodes import Episode

# For `bag_maker`, which several test files write recordings with.
sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def fake_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the module `fake_table` importable, here and in spawned workers."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "fake"))


@pytest.fixture
def make_episode():
    """Build a small episode; keyword arguments replace its fields."""

    def make(task: int = 1, seed: int = 0, frames: int = 12, **fields) -> Episode:
        rng = np.random.default_rng([task, seed])
        state = np.cumsum(rng.normal(size=(frames, 8)) * 0.02, axis=0)
        state[:, 7] = rng.random() > 0.5
        images = [np.full((128, 128, 3), min(10 * k, 250), np.uint8) for k in range(frames)]
        values = {
            "task": task,
            "seed": seed,
            "instruction": "move the bread to the left",
            "coarse": "move the bread",
            "fine": "to the left – straight",
            "period_s": 0.1,
            "front_jpeg": encode_frames(images),
            "wrist_jpeg": encode_frames(images[::-1]),
            "state": state,
            "target": state + 0.01,
            "executed": state + 0.02,
            "goal_success": True,
            "kinematics_success": True,
            "verdict_text": "ok",
        }
        return Episode(**(values | fields))

    return make
