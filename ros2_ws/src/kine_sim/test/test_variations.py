"""Variations change one thing of a scene, leave the placement, and the expert still succeeds."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from kine_sim.check_expert import SETTLE_STEPS
from kine_sim.env import PERIOD_S, KineRealmanEnv
from kine_sim.expert import ScriptedExpert
from kine_sim.scene import sample_scene
from kine_sim.tasks import TASKS
from kine_sim.variations import CAMERA_SHIFT_M, VARIATIONS, vary

CHANGED = {
    "dark": {"light_level", "ambient_level"},
    "bright": {"light_level", "ambient_level"},
    "moved_camera": {"front_shift_m"},
    "distractor": {"distractor_xy_m"},
    "turned_camera": {"front_shift_m", "front_turn_rad"},
    "white_balance": {"white_balance"},
    "noise": {"image_noise"},
    "remounted": {"front_shift_m", "front_turn_rad", "light_level", "ambient_level"},
}


@pytest.mark.parametrize("name", VARIATIONS)
@pytest.mark.parametrize("task", [TASKS[0], TASKS[4]])
def test_a_variation_changes_one_thing_only(name: str, task) -> None:
    scene = sample_scene(task, 7)
    before, after = asdict(scene), asdict(vary(scene, name, 7))
    assert {key for key in before if before[key] != after[key]} == CHANGED[name]
    assert vary(scene, name, 7) == vary(scene, name, 7)


def test_the_camera_moves_by_two_centimetres() -> None:
    scene = sample_scene(TASKS[0], 3)
    shift = np.subtract(vary(scene, "moved_camera", 3).front_shift_m, scene.front_shift_m)
    assert np.linalg.norm(shift) == pytest.approx(CAMERA_SHIFT_M)


def test_the_camera_turns_by_two_degrees() -> None:
    scene = sample_scene(TASKS[0], 3)
    turn = np.subtract(vary(scene, "turned_camera", 3).front_turn_rad, scene.front_turn_rad)
    assert np.degrees(np.linalg.norm(turn)) == pytest.approx(2.0)


def test_noise_and_white_balance_are_seen_and_repeat() -> None:
    env = KineRealmanEnv()
    shown = {}
    for name in (None, "white_balance", "noise"):
        options = {"task": 1} | ({"variation": name} if name else {})
        shown[name] = env.reset(seed=3, options=options)[0]["front"].astype(int)
        assert (env.reset(seed=3, options=options)[0]["front"] == shown[name]).all()
    plain = shown[None]
    assert np.abs(shown["white_balance"][..., 0] - 0.75 * plain[..., 0]).max() <= 1
    assert 10 < (shown["noise"] - plain)[(plain > 80) & (plain < 170)].std() < 22


@pytest.mark.parametrize("task", [2, 6])
def test_the_cup_is_in_the_picture_and_not_in_the_way(task: int) -> None:
    env = KineRealmanEnv(images=False)
    seen = 0
    for seed in (700, 701, 702):
        env.reset(seed=seed, options={"task": task})
        plain = env.world.render("front").astype(int)
        env.reset(seed=seed, options={"task": task, "variation": "distractor"})
        seen += bool((np.abs(env.world.render("front").astype(int) - plain).max(-1) > 40).sum() > 20)
        expert = ScriptedExpert(env)
        expert.plan()
        info = {}
        for k in range(1, int(expert.duration_s / PERIOD_S) + SETTLE_STEPS):
            info = env.step(expert.target(k * PERIOD_S))[4]
            assert not [text for text in env.world.arm_contacts() if "distractor" in text]
        assert info["verdict"].kinematics_success
    assert seen >= 2


def test_an_unknown_variation_is_named() -> None:
    with pytest.raises(ValueError, match="variation 'fog' is unknown: choose one of dark, bright"):
        vary(sample_scene(TASKS[0], 0), "fog", 0)
