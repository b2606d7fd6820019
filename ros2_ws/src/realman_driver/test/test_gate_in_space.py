"""The rules about space and the capsules behind them, against the simulator and against demonstrations."""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np
import pytest
from fuzz_chunks import clear_poses
from space_judge import SpaceJudge

from kine_sim import mjcf, rm75
from kine_sim.controller import kinematics
from kine_sim.env import PERIOD_S, KineRealmanEnv
from kine_sim.expert import ScriptedExpert
from kine_sim.tasks import task_by_number
from realman_driver import arm_capsules, arm_geometry
from realman_driver.arm_model import AXIS_NAMES, HOME_RAD, RATED_LIMITS
from realman_driver.chunk_executor import ChunkExecutor, ExecutorSettings
from realman_driver.config import DriverConfig
from realman_driver.gate import (
    Chunk,
    ChunkPoint,
    ChunkRules,
    ReceivedChunk,
    Refusal,
    Situation,
    Space,
    SpaceBounds,
    check_chunk,
)

NOW_S = 100.0
# Joints 2 and 4 folded bring the gripper to the base.
FOLDED = (0.0, 0.349066, 0.0, 2.33, 0.0, 1.570796, 0.0)
OUT_TO_THE_SIDE = (1.5, 1.3, 0.0, 0.3, 0.0, 0.3, 0.0)


def chunk_to(pose: tuple[float, ...], start: tuple[float, ...], opening: float = 1.0) -> ReceivedChunk:
    """Straight from `start` to `pose` in ten points, slow enough for every other rule."""
    far = max(abs(a - b) for a, b in zip(pose, start, strict=True))
    period_s = max(0.1, far / 10.0)
    points = tuple(
        ChunkPoint((*(a + (b - a) * k / 10 for a, b in zip(start, pose, strict=True)), opening), period_s * k)
        for k in range(1, 11)
    )
    return ReceivedChunk(AXIS_NAMES, points, NOW_S)


def judge(pose: tuple[float, ...], start: tuple[float, ...], **bounds: object) -> Chunk | Refusal:
    """What becomes of a chunk to `pose` that comes while the arm rests at `start`."""
    space = dataclasses.replace(SpaceBounds(), **bounds)  # type: ignore[arg-type]
    result = check_chunk(
        chunk_to(pose, start), ChunkRules(), Situation(RATED_LIMITS, (*start, 1.0), NOW_S, start)
    )
    if isinstance(result, Refusal):
        return result
    executor = ChunkExecutor((*start, 1.0), NOW_S, ExecutorSettings(space=space))
    return executor.load(result, NOW_S) or result


def refusal(pose: tuple[float, ...], start: tuple[float, ...], **bounds: object) -> Refusal:
    result = judge(pose, start, **bounds)
    assert isinstance(result, Refusal), "the chunk was accepted"
    return result


def down(by_m: float) -> tuple[float, ...]:
    """Home with the tool lowered by so much, the gripper still vertical."""
    pose = np.array(rm75.tool_pose(np.array(HOME_RAD)))
    pose[2, 3] -= by_m
    flange = pose.copy()
    flange[:3, 3] -= rm75.FLANGE_TO_TOOL_M * pose[:3, 2]
    low, high = (np.array(side) for side in zip(*RATED_LIMITS, strict=True))
    return tuple(float(v) for v in kinematics.solve(flange, np.array(HOME_RAD), low, high, restarts=2))


def test_a_way_into_the_table_is_refused_with_the_part_and_the_millimetres() -> None:
    tool_height_m = float(rm75.tool_pose(np.array(HOME_RAD))[2, 3])
    tip_below_tool_m = 0.009
    assert isinstance(judge(down(tool_height_m - tip_below_tool_m - 0.002), HOME_RAD), Chunk)
    found = refusal(down(tool_height_m - tip_below_tool_m + 0.004), HOME_RAD)
    assert found.rule == "table_clearance"
    assert found.joint.startswith("finger")
    assert isinstance(found.value, float)
    assert found.value == pytest.approx(-0.004, abs=5e-4)
    assert "m above the table" in found.text
    assert "at least 0.000 m" in found.text


def test_a_table_that_stands_higher_is_kept_clear_of_as_well() -> None:
    found = refusal(down(0.05), HOME_RAD, table_z_m=0.15)
    assert found.rule == "table_clearance"
    assert "z = 0.150 m" in found.text


def test_a_way_into_the_arm_itself_is_refused_with_both_parts_named() -> None:
    found = refusal(FOLDED, HOME_RAD, workspace_lower_m=(-9.0,) * 3, table_clearance_m=-9.0)
    assert found.rule == "self_clearance"
    assert " and " in found.joint
    assert "at least 0.010 m" in found.text


def test_a_tool_that_leaves_the_box_is_refused_with_axis_and_value() -> None:
    found = refusal(OUT_TO_THE_SIDE, HOME_RAD, workspace_upper_m=(0.8, 0.3, 1.1))
    assert found.rule == "workspace"
    assert "y = 0.7" in found.text
    assert "[-0.750, 0.300] m" in found.text


def test_what_lies_between_two_points_is_looked_at_too() -> None:
    """Start and end are clear of the table; half-way the straight line of joint angles goes through it."""
    up, end = (0.0, 1.5, 0.0, 0.7, 0.0, 0.0, 0.0), (0.0, 1.5, 0.0, 2.3, 0.0, 0.0, 0.0)
    shares = np.linspace(0.0, 1.0, 21)[:, None]
    way = np.array(up) + shares * (np.array(end) - np.array(up))
    heights = arm_geometry.table_heights(arm_geometry.shape_of(way)).min(axis=1).tolist()
    table_z_m = 0.5 * (min(heights) + min(heights[0], heights[-1]))
    assert min(heights) < table_z_m - 0.01 < min(heights[0], heights[-1]), heights
    space = SpaceBounds((-9.0,) * 3, (9.0,) * 3, table_z_m, 0.0, -9.0)
    executor = ChunkExecutor((*up, 1.0), NOW_S, ExecutorSettings(space=space))
    result = executor.load(Chunk((5.0,), ((*end, 1.0),)), NOW_S)
    assert result is not None
    assert result.rule == "table_clearance"
    assert "on the way to point 0" in result.text


def test_an_arm_held_up_somewhere_is_not_asked_to_catch_up_with_a_jump() -> None:
    held_up = (HOME_RAD[0] + 0.6, *HOME_RAD[1:])
    near_the_target = chunk_to((HOME_RAD[0] - 0.1, *HOME_RAD[1:]), HOME_RAD)
    result = check_chunk(
        near_the_target, ChunkRules(), Situation(RATED_LIMITS, (*HOME_RAD, 1.0), NOW_S, held_up)
    )
    assert isinstance(result, Refusal)
    assert result.rule == "start_jump"
    assert "joint_1" in result.text
    assert "measured position 0.600 rad" in result.text


def test_points_that_are_past_do_not_count_as_a_jump() -> None:
    """A chunk of an observation 0.4 s ago, at 2 rad/s: its first point lies far behind the arm by now."""
    points = tuple(ChunkPoint((0.2 * k, *HOME_RAD[1:], 1.0), 0.1 * k) for k in range(1, 8))
    chunk = ReceivedChunk(AXIS_NAMES, points, NOW_S - 0.4)
    here = (0.8, *HOME_RAD[1:])
    now = Situation(RATED_LIMITS, (*HOME_RAD, 1.0), NOW_S, here)
    assert isinstance(check_chunk(chunk, ChunkRules(), now), Chunk)


def test_a_flood_of_chunks_is_refused_by_its_rate() -> None:
    chunk = chunk_to(HOME_RAD, HOME_RAD)
    calm = Situation(RATED_LIMITS, (*HOME_RAD, 1.0), NOW_S, HOME_RAD, 99)
    assert isinstance(check_chunk(chunk, ChunkRules(), calm), Chunk)
    result = check_chunk(chunk, ChunkRules(), dataclasses.replace(calm, chunks_last_second=100))
    assert isinstance(result, Refusal)
    assert result.rule == "rate"
    assert "101 chunks" in result.text
    assert "100 chunks per second" in result.text


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mjcf.build_model()


def geoms_of(model: mujoco.MjModel, body: str) -> list[int]:
    number = model.body(body).id
    return [
        i
        for i in range(model.ngeom)
        if model.geom_bodyid[i] == number and (model.geom_contype[i] or model.geom_conaffinity[i])
    ]


def lowest_corner_m(model: mujoco.MjModel, data: mujoco.MjData, body: str) -> float:
    """Height of the lowest corner of a body made of boxes."""
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    return min(
        float(
            (data.geom_xpos[i] + corners * model.geom_size[i] @ data.geom_xmat[i].reshape(3, 3).T)[:, 2].min()
        )
        for i in geoms_of(model, body)
    )


def test_the_capsules_enclose_the_simulated_arm_and_not_much_more(model: mujoco.MjModel) -> None:
    """For random poses: never further apart than MuJoCo says, and closer by less than 3 cm in the middle."""
    data, chance = mujoco.MjData(model), np.random.default_rng(7)
    joints = [model.joint(name).qposadr[0] for name in rm75.JOINT_NAMES]
    fingers = [model.joint(f"finger_{side}").qposadr[0] for side in ("left", "right")]
    bodies = [arm_capsules.BODY_NAMES[c.body] for c in arm_capsules.CAPSULES]
    pairs: dict[tuple[str, str], list[int]] = {}
    for index, (i, j) in enumerate(arm_capsules.PAIRS):
        pairs.setdefault((bodies[i], bodies[j]), []).append(index)
    too_far, differences = [], []
    for _ in range(40):
        pose, opening = chance.uniform(-1, 1, 7) * rm75.POSITION_LIMIT_RAD, chance.uniform()
        data.qpos[joints], data.qpos[fingers] = pose, opening * rm75.FINGER_TRAVEL_M
        mujoco.mj_kinematics(model, data)
        shape = arm_geometry.shape_of(pose[None])
        np.testing.assert_allclose(shape.tool_m[:, 0], data.site("tool").xpos, atol=1e-9)
        lowest_m = min(lowest_corner_m(model, data, f"finger_{side}") for side in ("left", "right"))
        assert -0.04 < shape.finger_z_m.min() - lowest_m <= 1e-6, "a finger reaches further down"
        distances = arm_geometry.pair_distances(shape)[0]
        for (first, second), indices in pairs.items():
            exact = min(
                mujoco.mj_geomDistance(model, data, a, b, 2.0, None)
                for a in geoms_of(model, first)
                for b in geoms_of(model, second)
            )
            if exact > 0.0:
                difference = float(distances[indices].min()) - exact
                differences.append(difference)
                if difference > 1e-4:
                    too_far.append((first, second, difference))
    assert too_far == []
    assert len(differences) > 500
    assert -0.03 < float(np.median(differences)) <= 0.0


def test_pairs_left_out_are_neighbours_that_the_simulator_leaves_out_too(model: mujoco.MjModel) -> None:
    """Every pair of bodies that can collide in the simulator is looked at."""
    bodies = arm_capsules.BODY_NAMES
    looked_at = {
        frozenset((bodies[arm_capsules.CAPSULES[i].body], bodies[arm_capsules.CAPSULES[j].body]))
        for i, j in arm_capsules.PAIRS
    }
    left_out = set()
    for signature in model.exclude_signature:
        first, second = int(signature) >> 16, int(signature) & 0xFFFF
        left_out.add(frozenset((model.body(first).name, model.body(second).name)))
    for i, first in enumerate(bodies):
        for second in bodies[i + 1 :]:
            pair = frozenset((first, second))
            parent = model.body_parentid[model.body(second).id] == model.body(first).id
            if pair not in left_out and not parent:
                assert pair in looked_at, f"{first} and {second}"


def test_the_quick_look_finds_what_the_full_one_finds() -> None:
    chance = np.random.default_rng(3)
    poses = chance.uniform(-1, 1, (200, 7)) * rm75.POSITION_LIMIT_RAD
    shape = arm_geometry.shape_of(poses)
    full, quick = arm_geometry.pair_distances(shape), arm_geometry.pair_distances(shape, 0.02)
    near = full <= 0.02
    assert near.sum() > 100
    np.testing.assert_allclose(quick[near], full[near], atol=1e-12)
    assert (quick[~near] > 0.02).all()
    assert (quick <= full + 1e-12).all()


def test_no_part_moves_further_than_the_joints_turns_times_their_reach() -> None:
    """What lets the gate skip poses far from everything."""
    chance = np.random.default_rng(4)
    poses = chance.uniform(-1, 1, (500, 7)) * rm75.POSITION_LIMIT_RAD
    turned = poses + chance.uniform(-0.1, 0.1, poses.shape)
    before, after = arm_geometry.shape_of(poses), arm_geometry.shape_of(turned)
    most_m = np.abs(turned - poses) @ arm_geometry.REACH_M
    moved_m = np.linalg.norm(after.ends_m - before.ends_m, axis=1).max(axis=(0, 1))
    assert (moved_m <= most_m).all()
    apart = arm_geometry.pair_distances(after) - arm_geometry.pair_distances(before)
    assert (np.abs(apart).max(axis=1) <= most_m).all()
    sunk = arm_geometry.table_heights(after) - arm_geometry.table_heights(before)
    assert (np.abs(sunk).max(axis=1) <= most_m).all()


def test_skipping_poses_finds_the_same_as_looking_at_all_of_them() -> None:
    """Random smooth ways: what the gate says, and the exact margins at every pose."""
    chance, space = np.random.default_rng(8), Space(SpaceBounds())
    judge = SpaceJudge(SpaceBounds(), chance)
    clear = near = 0
    for _ in range(150):
        start = clear_poses()[int(chance.integers(len(clear_poses())))]
        goal = start + chance.uniform(-0.7, 0.7, 7)
        share = np.linspace(0.0, 1.0, int(chance.integers(60, 400)))[:, None]
        way = start + (goal - start) * share * share * (3.0 - 2.0 * share)
        least_m = float(judge.margins(way).min())
        found = space.breach(way)
        if found is None:
            clear += 1
            assert least_m >= -1e-3
        else:
            near += 1
            assert least_m < 0.0
    assert min(clear, near) > 20


@pytest.mark.parametrize("task", range(1, 8))
def test_the_experts_demonstrations_pass_the_gate(task: int) -> None:
    """Chunks as a policy sends them: five targets 0.1 s apart, a new chunk at each step."""
    env = KineRealmanEnv(images=False)
    try:
        env.reset(seed=task, options={"task": task_by_number(task)})
        expert = ScriptedExpert(env)
        expert.plan()
        steps = int(expert.duration_s / PERIOD_S) + 5
        path = [tuple(float(v) for v in expert.target(k * PERIOD_S)) for k in range(steps + 1)]
    finally:
        env.close()
    config = DriverConfig()
    rules = config.chunk_rules()
    executor, now_s = ChunkExecutor(path[0], NOW_S, config.executor_settings()), NOW_S
    for k in range(steps - 4):
        points = tuple(ChunkPoint(path[k + i], i * PERIOD_S) for i in range(1, 6))
        now = Situation(RATED_LIMITS, path[k], NOW_S, path[k][:7], 10)
        result = check_chunk(ReceivedChunk(AXIS_NAMES, points, NOW_S), rules, now)
        assert isinstance(result, Chunk), f"step {k}: {result}"
        assert executor.load(result, now_s) is None, f"step {k}"
        for _ in range(10):
            now_s += 0.01
            executor.advance(0.01, now_s)
