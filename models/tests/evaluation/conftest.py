from __future__ import annotations

from pathlib import Path

import pytest

from kinevla.evaluation import controllers, environments
from kinevla.evaluation.config import EvaluateConfig

FAKE = Path(__file__).parents[1] / "data" / "fake"


@pytest.fixture
def fake_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the module `fake_table` importable, and let nothing of an earlier test be kept."""
    monkeypatch.syspath_prepend(str(FAKE))
    controllers.make_controller.cache_clear()
    environments.environment.cache_clear()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Build an evaluation of the fake expert on the fake table; keyword arguments replace its settings."""
    original = EvaluateConfig.trial_config

    def trial_config(self: EvaluateConfig):
        from dataclasses import replace

        config = original(self)
        return replace(config, controller=replace(config.controller, expert="fake_table:Expert"))

    monkeypatch.setattr(EvaluateConfig, "trial_config", trial_config)

    def build(**changes) -> EvaluateConfig:
        values = {
            "out": tmp_path / "evaluation",
            "control": "expert",
            "environment_id": "fake_table:fake/Table-v0",
            "tasks": (1, 2),
            "trials": 5,
            "first_seed": 20,
            "workers": 1,
            "films": "none",
            "progress": False,
        }
        return EvaluateConfig(**(values | changes))

    return build
