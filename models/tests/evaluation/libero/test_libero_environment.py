"""The adapter on a fake of LIBERO's interface, and the refusal where LIBERO is missing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kinevla.evaluation.config import EvaluateConfig
from kinevla.evaluation.libero import installation
from kinevla.evaluation.libero.environment import LiberoEnvironment
from kinevla.evaluation.libero.frames import Joint, LiberoFrame, Pose
from kinevla.evaluation.runner import EvaluationError, evaluate


class FakeLibero:
    """LIBERO's `OffScreenRenderEnv`, as far as the adapter uses it."""

    def __init__(self) -> None:
        self.env, self.knob, self.y = self, 0.0, 0.0
        self.image = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)

    def _raw(self) -> dict[str, Any]:
        return {
            "agentview_image": self.image,
            "robot0_eye_in_hand_image": self.image + 1,
            "robot0_joint_pos": np.zeros(7),
            "robot0_gripper_qpos": np.zeros(2),
        }

    def seed(self, seed: int) -> None:
        self.seeded = seed

    def reset(self) -> dict[str, Any]:
        self.knob = self.y = 0.0
        return self._raw()

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, dict[str, Any]]:
        self.y += 0.05 * action[1]
        self.knob += action[5]
        return self._raw(), 0.0, False, {}

    def close(self) -> None:
        self.closed = True


def read(fake: FakeLibero) -> SimpleNamespace:
    def frame(time_s: float) -> LiberoFrame:
        knob = {"flat_stove_1": Joint(fake.knob, 0.0, 2.1)}
        tool = Pose(np.array([0.0, fake.y, 1.0]))
        return LiberoFrame(time_s, {}, {}, knob, {}, frozenset(), tool, 0.04)

    return SimpleNamespace(frame=frame)


def make() -> LiberoEnvironment:
    return LiberoEnvironment("libero_goal_relabeled", 7, make=lambda task, size: FakeLibero(), read=read)


def test_images_are_rotated_and_texts_are_told() -> None:
    observation, info = make().reset(seed=3)
    np.testing.assert_array_equal(observation["front"], np.rot90(FakeLibero().image, 2))
    np.testing.assert_array_equal(observation["wrist"], np.rot90(FakeLibero().image + 1, 2))
    assert observation["state"].shape == (9,)
    assert info["coarse"] == "turn on the stove" and info["verdict"] is None


def test_an_episode_is_judged() -> None:
    environment = make()
    environment.reset()
    environment.step(np.array([0, 1.0, 0, 0, 0, 0, 0]))
    *_, info = environment.step(np.array([0, 0, 0, 0, 0, 1.0, 0]))
    assert info["verdict"].kinematics_success, info["verdict"].reasons


@pytest.mark.parametrize("action", [np.zeros(6), np.full(7, 1.5), np.full(7, np.nan)])
def test_a_wrong_action_is_refused(action: np.ndarray) -> None:
    environment = make()
    environment.reset()
    with pytest.raises(ValueError, match="action"):
        environment.step(action)


def test_evaluate_says_where_to_get_libero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation.importlib.util, "find_spec", lambda name: None)
    config = EvaluateConfig(out=tmp_path, env="libero", policy="expert")
    with pytest.raises(EvaluationError, match=r"not installed.*github\.com"):
        evaluate(config)


def test_missing_assets_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libero").mkdir()
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(installation.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(installation.LiberoMissingError, match="assets are missing"):
        installation.libero_root()
