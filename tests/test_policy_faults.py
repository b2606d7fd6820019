"""The policy's rows of docs/reference/faults.md, through the whole simulated stack in mid-motion.

One stack serves all rows, one after the other. Each ends with the same judgement: no frame was unsafe, the
measured joints never accelerated beyond the arm's limit, and where the instruction ended nothing moves
before another one is given.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from faulty_stack import ARM, POLICY, TASK, FaultyStack, Spoil, Throttle, leave
from sensor_msgs.msg import Image
from spoilt_checkpoint import copy_with_a_weight_that_is_no_number

from kine_nodes.image_message import image_message
from kine_sim.controller.record_judge import last_motion_s
from kine_sim.tasks import TASKS
from kinevla_policy.stack import default_checkpoint

pytestmark = pytest.mark.slow
BLIND_S = 3.0


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyStack]:
    running = FaultyStack(
        tmp_path_factory.mktemp("faults"),
        max_blind_s=BLIND_S,
        max_stamp_ahead_s=0.3,
        min_camera_rate_hz=10.0,
    )
    try:
        running.wait_ready()
        yield running
    finally:
        running.close()
        print(running.log()[-6000:])
    assert "Traceback" not in running.log()


def shifted(image: Image, seconds: int) -> Image:
    image.header.stamp.sec += seconds
    return image


def frozen() -> Spoil:
    """The front camera repeats a picture, under new stamps."""
    kept: list[Image] = []

    def spoil(camera: str, image: Image) -> Image:
        if camera == "front":
            kept.append(image)
            image.data = kept[0].data
        return image

    return spoil


def black() -> Spoil:
    def spoil(camera: str, image: Image) -> Image:
        if camera == "front":
            return image_message(np.zeros((64, 64, 3), np.uint8), image.header.stamp, camera)
        return image

    return spoil


def halved() -> Spoil:
    count = {"front": 0, "wrist": 0}

    def spoil(camera: str, image: Image) -> Image | None:
        count[camera] += 1
        return image if count[camera] % 2 or camera == "wrist" else None

    return spoil


def jumping_back() -> Spoil:
    count = {"front": 0, "wrist": 0}

    def spoil(camera: str, image: Image) -> Image:
        count[camera] += 1
        return shifted(image, -2) if camera == "front" and count[camera] % 3 == 0 else image

    return spoil


def in_the_future() -> Spoil:
    return lambda camera, image: shifted(image, 5) if camera == "front" else image


def silent() -> Spoil:
    return lambda camera, image: None if camera == "front" else image


@dataclass
class Row:
    """One fault of the cameras.

    Attributes:
        spoil: makes it.
        said: what the policy's diagnostics show then.
        ends: whether the instruction ends for it.
    """

    spoil: Callable[[], Spoil]
    said: Callable[[dict[str, str]], bool]
    ends: bool


def refused(text: str) -> Callable[[dict[str, str]], bool]:
    return lambda values: text in values.get("last image refusal", "")


ROWS = {
    "a camera is silent": Row(silent, lambda v: "front camera" in v.get("last instruction ended", ""), True),
    "a camera is frozen": Row(frozen, refused("it is frozen: unchanged while a joint moved by"), True),
    "a camera is black": Row(black, refused("it is black: mean brightness 0.0"), True),
    "stamps lie in the future": Row(in_the_future, refused("s in the future, at most 0.300 s"), True),
    "a camera's rate is halved": Row(halved, lambda v: "front camera is slow" in v, False),
    "stamps jump back": Row(jumping_back, lambda v: int(v.get("front stamps backwards", "0")) > 3, False),
}


@pytest.mark.parametrize("name", list(ROWS))
def test_a_camera_fails_in_mid_motion(faulty: FaultyStack, name: str) -> None:
    row, client = ROWS[name], faulty.client
    number = faulty.start_motion()
    lost_s, began_s = faulty.lost_s(), time.monotonic()
    seen = len(faulty.plans(number))
    faulty.spoil = row.spoil()
    try:
        faulty.wait_for(f"the policy says: {name}", lambda: row.said(client.diagnostic(POLICY)))
        if not row.ends:
            faulty.wait_for("further plans", lambda: len(faulty.plans(number)) >= seen + 3)
            faulty.assert_safe(began_s, lost_s)
            return
        values = faulty.wait_for(
            "the end of the instruction",
            lambda: (
                "nothing to plan from for" in client.diagnostic(POLICY)["last instruction ended"]
                and client.diagnostic(POLICY)["instruction id"] == str(number)
                and client.diagnostic(POLICY)
            ),
        )
        print(f"{name}: {values['last instruction ended']}; {values.get('last image refusal')}")
        faulty.assert_holds()
    finally:
        faulty.spoil = leave
    times, joints = faulty.joints(began_s)
    print(f"{name}: at rest {last_motion_s(times, joints) - began_s:.2f} s after the fault")
    plans = len(client.plans)
    faulty.assert_holds(1.5)
    assert len(client.plans) == plans, "it went on by itself"
    faulty.assert_safe(began_s, lost_s)
    again = faulty.instruct()
    faulty.wait_for("a plan of the next instruction", lambda: faulty.plans(again))


def test_a_flood_of_instructions_in_mid_motion_leaves_one_that_is_followed(faulty: FaultyStack) -> None:
    faulty.start_motion()
    lost_s, began_s = faulty.lost_s(), time.monotonic()
    answers = [faulty.client.instruct(TASKS[TASK - 1 - k % 2].instruction) for k in range(60)]
    answers += [faulty.client.instruct(text) for text in ("", "dance", "a" * 5000)]
    refusals = [answer.message for answer in answers if not answer.accepted]
    assert all(refusals)
    assert any("apart" in text for text in refusals)
    last = faulty.instruct()
    faulty.wait_for("plans of the last one", lambda: len(faulty.plans(last)) >= 2)
    faulty.assert_safe(began_s, lost_s)


def test_another_instruction_in_mid_motion_takes_over_without_a_stop(faulty: FaultyStack) -> None:
    first = faulty.start_motion()
    lost_s, began_s = faulty.lost_s(), time.monotonic()
    second = faulty.instruct(6)
    faulty.wait_for("three plans of the second", lambda: len(faulty.plans(second)) >= 3)
    old = len(faulty.plans(first))
    faulty.wait_for("another", lambda: len(faulty.plans(second)) >= 4)
    assert len(faulty.plans(first)) == old, "the first one goes on"
    assert f"instruction {first} ended: replaced by a newer instruction" in faulty.log()
    faulty.assert_safe(began_s, lost_s)


def test_inference_ten_times_slower_makes_rests_between_chunks(faulty: FaultyStack) -> None:
    number = faulty.start_motion()
    lost_s, began_s = faulty.lost_s(), time.monotonic()
    before = int(faulty.client.diagnostic(POLICY).get("chunks after the arm had stopped", "0"))

    def late() -> bool:
        values = faulty.client.diagnostic(POLICY)
        return int(values["chunks after the arm had stopped"]) >= before + 2

    with Throttle(faulty.processes["policy"], 0.1):
        faulty.wait_for("chunks after the arm had stopped", late, 120.0)
        print(f"slow: {faulty.plans(number)[-1].latency_total_s:.2f} s, {faulty.client.diagnostic(POLICY)}")
        faulty.assert_safe(began_s, lost_s)
    seen = len(faulty.plans(number))
    again = number if faulty.client.diagnostic(POLICY)["message"] != "idle" else faulty.instruct()
    faulty.wait_for("plans at full speed", lambda: len(faulty.plans(again)) > seen * (again == number))


def test_a_policy_that_hangs_lets_the_arm_play_its_chunk_and_hold(faulty: FaultyStack) -> None:
    number = faulty.start_motion()
    sources = faulty.client.diagnostic(ARM)["chunk_sources"]
    lost_s, began_s = faulty.lost_s(), time.monotonic()
    faulty.processes["policy"].send_signal(signal.SIGSTOP)
    try:
        faulty.assert_holds()
        times, joints = faulty.joints(began_s)
        print(f"hangs: at rest {last_motion_s(times, joints) - began_s:.2f} s after the fault")
        faulty.wait_for(
            "the age of chunks", lambda: float(faulty.client.diagnostic(ARM)["chunk_age_s"]) > 2.0
        )
        assert faulty.client.diagnostic(ARM)["chunk_sources"] == sources
        faulty.assert_safe(began_s, lost_s)
    finally:
        faulty.processes["policy"].send_signal(signal.SIGCONT)
    faulty.wait_for("the policy goes on or ends", lambda: len(faulty.plans(number)) > 0)


def test_a_killed_policy_lets_the_arm_play_its_chunk_and_hold(faulty: FaultyStack) -> None:
    faulty.start_motion()
    # Tests of the driver that run in the same process may have a publisher of their own.
    sources = int(faulty.client.diagnostic(ARM)["chunk_sources"])
    lost_s, began_s = faulty.lost_s(), time.monotonic()
    faulty.kill_policy()
    faulty.assert_holds()
    times, joints = faulty.joints(began_s)
    print(f"killed: at rest {last_motion_s(times, joints) - began_s:.2f} s after the fault")
    faulty.wait_for(
        "the driver to notice",
        lambda: int(faulty.client.diagnostic(ARM)["chunk_sources"]) == sources - 1,
        60.0,
    )
    said = faulty.client.diagnostic(ARM)["message"]
    assert ("the source of chunks is gone" in said) == (sources == 1), said
    print(f"killed: {time.monotonic() - began_s:.1f} s after the fault: {said}")
    faulty.assert_safe(began_s, lost_s)


def test_weights_that_are_no_numbers_keep_the_policy_from_starting(
    faulty: FaultyStack, tmp_path: Path
) -> None:
    """The policy is gone, and such a one comes in its place: the arm holds until a good one starts."""
    faulty.kill_policy()
    bad = copy_with_a_weight_that_is_no_number(Path(default_checkpoint()), tmp_path / "bad")
    began_s, seen = time.monotonic(), len(faulty.log())
    process = faulty.start_policy(checkpoint=str(bad))
    assert process.wait(120) == 2
    said = faulty.log()[seen:]
    assert "1 of" in said and "values that are not finite" in said, said
    faulty.assert_holds()
    faulty.restart_policy()
    number = faulty.instruct()
    faulty.wait_for("plans", lambda: len(faulty.plans(number)) >= 2)
    assert faulty.received("set_arm_stop", began_s) == []
