"""Made-up recordings of all 41 instructions, judged by all of them."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from kinevla.evaluation.libero import goals, kinematics
from kinevla.evaluation.libero import tasks as names
from kinevla.evaluation.libero.frames import Body, Joint, LiberoFrame, LiberoTrace, Pose, Site
from kinevla.evaluation.libero.judge import LiberoJudgeError, judge
from kinevla.evaluation.libero.tasks import LIBERO_TASKS, LiberoTask, find_task
from kinevla.text import load_task_texts

LIBERO_GOAL_LANGUAGES = {  # names of the suite's bddl files and their (:language ...) in hf-libero 0.1.4
    "open_the_middle_drawer_of_the_cabinet": "Open the middle layer of the drawer",
    "open_the_top_drawer_and_put_the_bowl_inside": "Open the top layer of the drawer and put the bowl inside",
    "push_the_plate_to_the_front_of_the_stove": "Push the plate to the front of the stove",
    "put_the_bowl_on_the_plate": "Put the bowl on the plate",
    "put_the_bowl_on_the_stove": "Put the bowl on the stove",
    "put_the_bowl_on_top_of_the_cabinet": "Put the bowl on the top of the drawer",
    "put_the_cream_cheese_in_the_bowl": "Put the cream cheese on the bowl",
    "put_the_wine_bottle_on_the_rack": "Put the wine bottle on the rack",
    "put_the_wine_bottle_on_top_of_the_cabinet": "Put the wine bottle on the top of the drawer",
    "turn_on_the_stove": "Turn on the stove",
}
EQUAL_ROWS = {  # (Table 5 rows, Table 6 rows) with the same instruction
    ((2,), (18,)),
    ((5,), (24, 26)),
    ((8,), (23,)),
    ((9,), (1,)),
    ((10,), (5,)),
}
IDS = [f"{task.dataset}-{task.number}" for task in LIBERO_TASKS]
WORLD = {  # the image's directions: left is +y, back is -x
    "left": np.array([0.0, 1.0, 0.0]),
    "right": np.array([0.0, -1.0, 0.0]),
    "front": np.array([1.0, 0.0, 0.0]),
    "back": np.array([-1.0, 0.0, 0.0]),
}
SITES = {
    names.CABINET_TOP: ((0.03, -0.24, 1.12), (0.12, 0.10, 0.01)),
    names.RACK_TOP: ((-0.26, -0.26, 1.05), (0.08, 0.08, 0.01)),
    names.COOK: ((-0.40, 0.21, 0.93), (0.08, 0.08, 0.01)),
    names.FRONT: ((-0.05, 0.21, 0.92), (0.04, 0.04, 0.007)),
    f"{names.CABINET}_top_region": ((0.10, -0.10, 1.05), (0.08, 0.08, 0.03)),
}
START = {
    names.BOWL: (-0.09, 0.0, 0.90),
    names.BOTTLE: (-0.20, -0.05, 0.90),
    names.PLATE: (0.05, -0.02, 0.90),
    names.CHEESE: (-0.05, 0.13, 0.90),
}
DRAWERS = tuple(f"{names.CABINET}_{which}_region" for which in ("top", "middle"))
STEPS = 20


def instruction(task: LiberoTask) -> str:
    return next(t.instruction for t in load_task_texts(task.dataset) if t.number == task.number)


def turned(direction: str) -> np.ndarray:
    """Rotation about the vertical that turns a label from the front to a direction."""
    x, y, _ = WORLD[direction]
    return np.array([[x, -y, 0.0], [y, x, 0.0], [0.0, 0.0, 1.0]])


class Recording:
    """A scene that is moved step by step."""

    def __init__(self, **moved: tuple[float, float, float]) -> None:
        self.at = {name: np.array(moved.get(name, xyz)) for name, xyz in START.items()}
        self.turn = {name: np.eye(3) for name in START}
        self.share = dict.fromkeys(DRAWERS, 0.0)
        self.knob, self.tool, self.down = 0.0, np.array([-0.2, 0.0, 1.1]), True
        self.held: dict[str, np.ndarray] = {}
        self.touching: set[tuple[str, str]] = set()
        self.frames: list[LiberoFrame] = []
        self.note()

    def note(self) -> None:
        half = {names.BOTTLE: (0.03, 0.03, 0.15), names.CHEESE: (0.04, 0.02, 0.01)}
        bodies = {}
        for name, at in self.at.items():
            size = np.array(half.get(name, (0.07, 0.07, 0.02)))
            bodies[name] = Body(Pose(at.copy(), self.turn[name]), -size, size)
        joints = {name: Joint(-0.16 * share, 0.0, -0.16) for name, share in self.share.items()}
        joints[names.STOVE] = Joint(self.knob, 0.0, 2.1)
        sites = {key: Site(Pose(np.array(at)), np.array(size)) for key, (at, size) in SITES.items()}
        axes = np.diag([1.0, -1.0, -1.0]) if self.down else np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
        self.frames.append(
            LiberoFrame(
                0.05 * len(self.frames),
                bodies,
                {name: (point,) for name, point in self.held.items()},
                joints,
                sites,
                frozenset(self.touching),
                Pose(self.tool.copy(), axes.astype(float)),
            )
        )

    def go(self, name: str, *stops: Any) -> None:
        for stop in stops:
            way = np.array(stop) - self.at[name]
            for _ in range(STEPS):
                self.at[name] = self.at[name] + way / STEPS
                self.note()

    def place(self, name: str, point: Any, target: Any, on: str | None, turn: Any = None) -> LiberoTrace:
        self.held = {name: np.array(point)}
        self.go(name, target)
        if turn is not None:
            self.turn[name] = turn
        if on:
            self.touching.add((min(name, on), max(name, on)))
        self.held = {}
        self.note()
        return self.trace()

    def open(self, drawer: str, share: float, *, down: bool = True, hand: bool = True) -> None:
        self.down, self.held = down, {drawer: np.zeros(3)} if hand else {}
        for step in range(STEPS + 1):
            self.share[drawer] = share * step / STEPS
            self.note()
        self.held, self.down = {}, True
        self.note()

    def trace(self) -> LiberoTrace:
        return LiberoTrace(tuple(self.frames))


def on(site: str, section: np.ndarray | float = 0.0, height: float = 0.03) -> np.ndarray:
    return np.array(SITES[site][0]) + 0.03 * section + np.array([0.0, 0.0, height])


def perform(words: str) -> LiberoTrace:
    """Do what an instruction says, read from its words alone."""
    edge = re.search(r"(left|right) edge", words)
    rim = None if edge is None else 0.07 * WORLD[edge[1]]
    section = WORLD["back"] if "upper section" in words else WORLD["front"]
    if "knob" in words:
        r = Recording()
        for _ in range(STEPS):
            r.tool = r.tool + 0.01 * WORLD["left"]
            r.note()
        r.knob = 1.0
        r.note()
        return r.trace()
    if "cream cheese" in words:
        return Recording().place(
            names.CHEESE, (0, 0, 0), START[names.BOWL] + np.array([0, 0, 0.02]), names.BOWL
        )
    if "drawer" in words:
        r = Recording()
        drawer = DRAWERS["middle" in words]
        share = 0.5 if "halfway" in words else 0.2 if "slightly" in words else 0.98
        r.open(drawer, share, down="vertically" in words)
        if rim is not None:
            return r.place(names.BOWL, rim, on(drawer, height=0.0), None)
        return r.trace()
    if "push the plate" in words or "reposition the plate" in words:
        beside = "right of the stove" in words
        end = on(names.COOK, height=-0.03) + 0.15 * WORLD["right"]
        if not beside:
            end = on(names.FRONT, WORLD["back"] if "close" in words else WORLD["front"], height=0.005)
        way = [WORLD["back"] * 0.12, WORLD["left" if "leftward" in words else "right"] * 0.12]
        r = Recording(**{names.PLATE: tuple(end - way[0] - way[1])})
        r.tool, r.held = r.at[names.PLATE].copy(), {names.PLATE: np.zeros(3)}
        r.go(names.PLATE, *([end] if "diagonally" in words else [end - way[0], end]))
        return r.trace()
    if "bottle" in words:
        grip = (0.0, 0.0, 0.12 if "neck" in words else -0.05)
        if "rack" in words:
            where = re.search(r"(front|back) of the rack", words)
            spot = on(names.RACK_TOP, 0.0 if where is None else WORLD[where[1]])
            return Recording().place(names.BOTTLE, grip, spot, names.RACK)
        label = re.search(r"facing to the (\w+)", words)
        assert label
        spot = on(names.CABINET_TOP, section)
        return Recording().place(names.BOTTLE, grip, spot, names.CABINET, turned(label[1]))
    assert rim is not None
    if "plate" in words:
        return Recording().place(names.BOWL, rim, np.add(START[names.PLATE], (0, 0, 0.02)), names.PLATE)
    if "stove" in words:
        return Recording().place(names.BOWL, rim, on(names.COOK), names.STOVE)
    return Recording().place(names.BOWL, rim, on(names.CABINET_TOP, section), names.CABINET)


def test_all_48_instructions_load_and_41_are_mapped() -> None:
    assert len(load_task_texts()) == 48
    wanted = {(t.dataset, t.number) for t in load_task_texts() if t.dataset != "kine_realman"}
    assert {(t.dataset, t.number) for t in LIBERO_TASKS} == wanted
    assert len(LIBERO_TASKS) == 41


@pytest.mark.parametrize("task", LIBERO_TASKS, ids=IDS)
def test_a_task_names_a_libero_task_and_known_checks(task: LiberoTask) -> None:
    assert task.libero_task in LIBERO_GOAL_LANGUAGES
    assert hasattr(goals, task.goal.check)
    assert task.kinematics and all(hasattr(kinematics, item.check) for item in task.kinematics)


def test_rows_with_equal_words_have_equal_checks() -> None:
    groups: dict[str, list[LiberoTask]] = {}
    for task in LIBERO_TASKS:
        groups.setdefault(instruction(task), []).append(task)
    equal = [group for group in groups.values() if len(group) > 1]
    found = {
        tuple(
            tuple(t.number for t in group if t.dataset == dataset)
            for dataset in ("libero_goal_relabeled", "kine_libero")
        )
        for group in equal
    }
    assert found == EQUAL_ROWS
    for group in equal:
        assert len({(t.libero_task, t.goal, t.kinematics) for t in group}) == 1


@pytest.mark.parametrize("task", LIBERO_TASKS, ids=IDS)
def test_the_motion_an_instruction_asks_for_passes(task: LiberoTask) -> None:
    verdict = judge(task, perform(instruction(task)))
    assert verdict.kinematics_success, verdict.reasons


@pytest.mark.parametrize("task", LIBERO_TASKS, ids=IDS)
def test_motions_of_other_rows_with_the_same_goal_fail_in_kinematics_only(task: LiberoTask) -> None:
    own = set(task.kinematics)
    for other in LIBERO_TASKS:
        if other.goal != task.goal or own <= set(other.kinematics):
            continue  # the other row asks for all of this and more
        near = {"pushed_from_centre"}  # the made-up pushes all start at the centre
        if {item.check for item in own - set(other.kinematics)} <= near:
            continue
        verdict = judge(task, perform(instruction(other)))
        assert verdict.goal_success, verdict.reasons
        assert not verdict.kinematics_success, (other.number, verdict.reasons)


def spoil(check: str) -> LiberoTrace:
    """A recording that breaks one check and no goal."""
    if check == "released":
        trace = perform(instruction(find_task("kine_libero", 22)))
        last = dataclasses.replace(trace.last, contacts=trace.frames[3].contacts)
        return LiberoTrace((*trace.frames[:-1], last))
    r = Recording()
    if check == "handle_first":
        r.open(DRAWERS[1], 0.98, hand=False)
        return r.trace()
    if check == "drawer_before_grasp":
        r.held = {names.BOWL: 0.07 * WORLD["left"]}
        r.go(names.BOWL, on(DRAWERS[0], height=0.0))
        r.open(DRAWERS[0], 0.98)
        return r.trace()
    if check == "hand_before_knob":
        r.knob = 1.0
        r.note()
        return r.trace()
    r = Recording(**{names.PLATE: (0.07, 0.09, 0.905)})
    r.held = {names.PLATE: np.zeros(3)}
    r.tool = r.at[names.PLATE] + [0.06, 0.0, 0.0]
    corner = np.array([0.07, 0.21, 0.905])
    lift = 0.1 if check == "on_table" else 0.0
    r.go(names.PLATE, corner + np.array([0.0, 0.0, lift]), on(names.FRONT, WORLD["back"], height=0.005))
    return r.trace()


@pytest.mark.parametrize(
    ("check", "dataset", "number"),
    [
        ("released", "kine_libero", 22),
        ("handle_first", "kine_libero", 5),
        ("drawer_before_grasp", "libero_goal_relabeled", 3),
        ("hand_before_knob", "libero_goal_relabeled", 7),
        ("on_table", "kine_libero", 12),
        ("pushed_from_centre", "libero_goal_relabeled", 6),
    ],
)
def test_a_mistake_is_named(check: str, dataset: str, number: int) -> None:
    task = find_task(dataset, number)
    trace = spoil(check)
    verdict = judge(task, trace)
    assert verdict.goal_success, verdict.reasons
    index = [item.check for item in task.kinematics].index(check)
    assert verdict.reasons[index + 1].startswith("failed"), verdict.reasons


def test_nothing_moved_fails_every_goal() -> None:
    r = Recording()
    r.note()
    assert not any(judge(task, r.trace()).goal_success for task in LIBERO_TASKS)


def test_left_and_right_are_swapped_in_the_cameras_own_view() -> None:
    trace = perform(instruction(find_task("kine_libero", 22)))
    assert judge(find_task("kine_libero", 22), trace, "image").kinematics_success
    assert judge(find_task("kine_libero", 23), trace, "camera").kinematics_success


def test_a_trace_without_the_object_is_refused() -> None:
    r = Recording()
    r.note()
    frames = tuple(dataclasses.replace(f, bodies={}) for f in r.frames)
    with pytest.raises(LiberoJudgeError, match=names.BOWL):
        judge(find_task("kine_libero", 22), LiberoTrace(frames))
