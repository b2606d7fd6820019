"""The adapter on a fake of LIBERO's interface, and the refusal where LIBERO is missing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kinevla.evaluation import environments, runner, trial
from kinevla.evaluation.config import EvaluateConfig
from kinevla.evaluation.controllers import ControllerConfig, Decision, Start
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
            "robot0_joint_pos": np.full(7, 0.1),
            "robot0_gripper_qpos": np.array([0.02, -0.02]),
            "robot0_eef_pos": np.array([0.0, self.y, 1.0]),
            "robot0_eef_quat": np.array([np.sin(0.6), 0.0, 0.0, np.cos(0.6)]),
        }

    def seed(self, seed: int) -> None:
        self.seeded = seed

    def reset(self) -> dict[str, Any]:
        self.knob = self.y = 0.0
        self.commands: list[np.ndarray] = []
        return self._raw()

    def set_init_state(self, state: np.ndarray) -> dict[str, Any]:
        self.start_state = state
        return self._raw()

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, dict[str, Any]]:
        self.commands.append(action)
        self.y += 0.05 * action[1]
        self.knob += action[5]
        return self._raw(), 0.0, False, {}

    def close(self) -> None:
        self.closed = True


def read(fake: FakeLibero) -> SimpleNamespace:
    def frame(time_s: float) -> LiberoFrame:
        knob = {"flat_stove_1": Joint(fake.knob, 0.0, 2.1)}
        tool = Pose(np.array([0.0, fake.y, 1.0]))
        return LiberoFrame(time_s, {}, {}, knob, {}, frozenset(), tool)

    return SimpleNamespace(frame=frame)


STATES = np.arange(50.0)[:, None]


def make(table: str = "libero_goal_relabeled") -> LiberoEnvironment:
    return LiberoEnvironment(
        table, make=lambda task, size: FakeLibero(), read=read, states=lambda task: STATES
    )


def test_images_are_rotated_and_texts_are_told() -> None:
    observation, info = make().reset(seed=3, options={"task": 7})
    np.testing.assert_array_equal(observation["front"], np.rot90(FakeLibero().image, 2))
    np.testing.assert_array_equal(observation["wrist"], np.rot90(FakeLibero().image + 1, 2))
    # Position, axis-angle and opening, as imported demonstrations hold them.
    np.testing.assert_allclose(observation["state"], [0, 0, 1, 1.2, 0, 0, 0.5], atol=1e-12)
    assert info["coarse"] == "turn on the stove" and info["verdict"] is None


def test_an_episode_is_judged() -> None:
    environment = make()
    environment.reset(seed=0, options={"task": 7})
    environment.step(np.array([0, 1.0, 0, 0, 0, 0, 0.75]))
    assert environment._libero.commands[-1][6] == -0.5, "LIBERO opens at -1 and closes at 1"
    *_, info = environment.step(np.array([0, 0, 0, 0, 0, 1.0, 0]))
    assert info["verdict"].kinematics_success, info["verdict"].reasons


@pytest.mark.parametrize("action", [np.zeros(6), np.full(7, 1.5), np.full(7, np.nan), np.full(7, -0.1)])
def test_a_wrong_action_is_refused(action: np.ndarray) -> None:
    environment = make()
    environment.reset(seed=0, options={"task": 7})
    with pytest.raises(ValueError, match="action"):
        environment.step(action)


class Pusher:
    """Moves the hand to the left for three chunks, then turns the knob, then rests."""

    def __init__(self, config: ControllerConfig) -> None:
        pass

    def start(self, start: Start) -> None:
        self.chunk = 0
        assert start.period_s == pytest.approx(0.05)

    def decide(self, observation: dict[str, Any], step: int) -> Decision:
        actions = np.zeros((5, 7))
        actions[:, 6] = 1.0
        if self.chunk < 3:
            actions[:, 1] = 0.4
        elif self.chunk < 5:
            actions[:, 5] = 0.5
        self.chunk += 1
        return Decision(actions, "turn on the stove", "push left")


def test_trials_on_libero_are_run_judged_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[LiberoEnvironment] = []

    def making(table: str) -> LiberoEnvironment:
        made.append(make(table))
        return made[-1]

    monkeypatch.setattr(environments, "LiberoEnvironment", making)
    monkeypatch.setattr(trial, "make_controller", Pusher)
    monkeypatch.setattr(runner, "_require_libero", lambda: None)
    environments.environment.cache_clear()
    config = EvaluateConfig(
        out=tmp_path,
        env="libero",
        libero_table="libero_goal_relabeled",
        checkpoint=Path(__file__).parents[3] / "checkpoints" / "nano",  # only named in the manifest
        tasks=(7,),
        trials=2,
        first_seed=48,
        workers=1,
        films="all",
        bert=False,
        progress=False,
    )
    outcome = evaluate(config)
    environments.environment.cache_clear()
    assert [(r.goal, r.kinematics) for r in outcome.results] == [(True, True)] * 2
    first = outcome.results[0]
    assert first.ended == "at rest for 3 chunks" and first.duration_s == pytest.approx(8 * 5 * 0.05)
    # Three chunks of 5 steps of 2 cm each; joints and tool are those LIBERO tells.
    assert first.motion.path_length_m == pytest.approx(0.3) and first.motion.path_deviation_mm is None
    assert made[0]._libero.start_state[0] == 49.0
    assert (tmp_path / "films" / "task7-seed48.mp4").is_file() and (tmp_path / "index.html").is_file()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"control": "expert"}, "scripted expert moves the RM75"),
        ({"control": "replay", "episodes": Path("x")}, "start states"),
    ],
)
def test_controls_that_libero_does_not_have_are_refused(changes, said, tmp_path) -> None:
    with pytest.raises(ValueError, match=said):
        EvaluateConfig(out=tmp_path, env="libero", **changes)


def test_rows_beyond_the_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="task 32 is unknown"):
        EvaluateConfig(out=tmp_path, env="libero", checkpoint=tmp_path, tasks=(32,)).jobs()


def test_evaluate_says_where_to_get_libero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation.importlib.util, "find_spec", lambda name: None)
    config = EvaluateConfig(out=tmp_path, env="libero", checkpoint=tmp_path)
    with pytest.raises(EvaluationError, match=r"not installed.*github\.com"):
        evaluate(config)


def test_missing_assets_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libero").mkdir()
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(installation.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(installation.LiberoMissingError, match="assets are missing"):
        installation.libero_root()
