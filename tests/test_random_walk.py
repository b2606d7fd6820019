"""Nothing moves unasked: random walks over driver, policy, puppet, controller and their other clients."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from random_walk import Walk
from walk_rig import Rig

from kine_nodes.own_domain import OwnDomain


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    domain = OwnDomain()
    rig = Rig(tmp_path)
    try:
        for name in ("driver", "policy"):
            rig.start(name)
        rig.wait_for("the driver", lambda: rig.client.driver_state is not None)
        rig.wait_for("the policy", lambda: rig.client.diagnostic("kinevla: policy"))
        yield rig
    finally:
        rig.close()
        domain.close()


def walk(rig: Rig, steps: int, seed: int) -> Walk:
    print(f"seed {seed}, {steps} steps, noted in {rig.folder / 'walk.log'}", flush=True)
    with (rig.folder / "walk.log").open("w") as log:
        walker = Walk(rig, seed, log)
        for number in range(1, steps + 1):
            walker.step()
            if number % 100 == 0:
                print(
                    f"{number} of {steps} steps, the arm moved for {walker.judge.moved_s:.0f} s", flush=True
                )
    print(dict(walker.taken))
    return walker


def test_nothing_moves_unasked_in_a_short_walk(rig: Rig) -> None:
    walker = walk(rig, 30, int(os.environ.get("KINE_WALK_SEED", "20")))
    assert walker.judge.moved_s > 0.3, "a walk in which nothing moves shows nothing"


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_nothing_moves_unasked_in_two_thousand_steps(rig: Rig) -> None:
    seed = int(os.environ.get("KINE_WALK_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    walker = walk(rig, int(os.environ.get("KINE_WALK_STEPS", "2000")), seed)
    assert walker.judge.moved_s > 20.0, "a walk in which nothing moves shows nothing"
