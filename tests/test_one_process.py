"""Simulator and policy in one process, as the evaluation has them: their libraries bear with each other."""

from __future__ import annotations

import subprocess
import sys

RENDER_THEN_LOAD_THE_POLICYS_NETWORK = """
from kine_sim.env import KineRealmanEnv
image = KineRealmanEnv().reset(seed=1, options={"task": 5})[0]["front"]
assert image.std() > 10, "no picture"
import kinevla.backbone.model
print("both are here")
"""


def test_a_process_that_has_rendered_can_load_the_policys_network():
    done = subprocess.run(
        [sys.executable, "-c", RENDER_THEN_LOAD_THE_POLICYS_NETWORK],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-2000:]}"
    assert "both are here" in done.stdout
