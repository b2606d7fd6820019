"""A training process that is killed without warning loses nothing but time."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from kinevla.training.stages.policy import train_policy
from kinevla.training.state import STATE_NAME

from .conftest import tiny_run

_STEPS = 24
_PROGRAM = """
import pickle, sys
from kinevla.training.stages.policy import train_policy
train_policy(pickle.load(open(sys.argv[1], "rb")))
"""


def _weights(directory: Path) -> dict[str, torch.Tensor]:
    content = torch.load(directory / STATE_NAME, weights_only=True)["content"]
    mean = {f"mean of {name}": value for name, value in content["average"].items()}
    return content["model"] | mean


def test_a_run_killed_at_a_random_step_and_resumed_ends_with_the_same_weights(
    workplace: Path, tmp_path: Path
) -> None:
    settings = {"max_steps": _STEPS, "save_every": 2, "val_every": 9, "val_samples": 4}
    train_policy(tiny_run(workplace, tmp_path / "whole", **settings))
    config = tiny_run(workplace, tmp_path / "killed", **settings)
    packed = tmp_path / "config.pkl"
    packed.write_bytes(pickle.dumps(config))
    command = [sys.executable, "-c", _PROGRAM, str(packed)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    state = config.out / STATE_NAME
    deadline_s = time.monotonic() + 120.0
    while not state.is_file():
        assert process.poll() is None and time.monotonic() < deadline_s, "no state was ever saved"
        time.sleep(0.005)
    time.sleep(random.uniform(0.0, 0.3))
    assert process.poll() is None, "the run was over before it could be killed"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    saved = torch.load(state, weights_only=True)["step"]
    assert 0 < saved < _STEPS
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    whole, resumed = _weights(tmp_path / "whole"), _weights(config.out)
    assert set(whole) == set(resumed)
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), f"{name} differs after a kill past step {saved}"
    assert (config.out / "last" / "manifest.json").is_file()
    rows = (config.out / "metrics.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == list(range(1, _STEPS + 1))
