from collections.abc import Callable

import pytest

from kine_teleop.puppet.session import Session, SessionConfig, State

EPOCH = 7
POSE = (0.0, 0.35, 0.0, 1.22, 0.0, 1.57, 0.0, 1.0)


def moved(first: float) -> tuple[float, ...]:
    return (first, *POSE[1:])


class Rig:
    """A session with a follower that does as it is told, ticked at 50 Hz."""

    def __init__(self, **changes: object) -> None:
        self.session = Session(SessionConfig(**changes))  # type: ignore[arg-type]
        self.now_s = 100.0
        self.leader_pose = self.follower_pose = POSE
        self.pressed = True
        self.leader_alive = self.deadman_alive = self.follower_alive = self.follower_obeys = True
        self.sent: list[tuple[float, ...]] = []
        self.session.driver("", EPOCH)

    def run(self, duration_s: float, change: Callable[[], None] | None = None) -> None:
        for _ in range(round(duration_s / 0.02)):
            self.now_s += 0.02
            if change:
                change()
            if self.follower_alive:
                self.session.follower(self.follower_pose, self.now_s)
            if self.leader_alive:
                self.session.leader(self.leader_pose, self.now_s)
            if self.deadman_alive:
                self.session.deadman(self.pressed, self.now_s)
            target = self.session.tick(self.now_s)
            if target is not None:
                self.sent.append(target)
                if self.follower_obeys:
                    self.follower_pose = target

    def started(self) -> "Rig":
        self.run(1.5)
        answer = self.session.check_drift(self.now_s)
        assert answer.ok, answer.text
        answer = self.session.start(self.now_s)
        assert answer.ok, answer.text
        self.run(0.1)
        assert self.session.state is State.FOLLOWING
        return self


def test_an_aligned_follower_copies_the_leader():
    rig = Rig().started()
    rig.leader_pose = moved(0.05)
    rig.run(0.1)
    assert rig.sent[-1] == moved(0.05)


def release(rig: Rig) -> None:
    rig.pressed = False


def lose_deadman(rig: Rig) -> None:
    rig.deadman_alive = False


def lose_leader(rig: Rig) -> None:
    rig.leader_alive = False


def lose_follower(rig: Rig) -> None:
    rig.follower_alive = False


def jump(rig: Rig) -> None:
    rig.leader_pose = moved(0.3)


def disable(rig: Rig) -> None:
    rig.session.driver("the arm is not enabled", EPOCH)


def enable_anew(rig: Rig) -> None:
    rig.session.driver("", EPOCH + 1)


def intrude(rig: Rig) -> None:
    rig.session.other_sources(("kinevla",))


def garble(rig: Rig) -> None:
    rig.session.leader_fault("joint_1: nan")


FAULTS = [
    (release, "deadman was released"),
    (lose_deadman, "deadman was last heard"),
    (lose_leader, "leader was last heard"),
    (lose_follower, "follower was last heard"),
    (jump, "joint_1: the leader jumped"),
    (disable, "the arm is not enabled"),
    (enable_anew, "enabled anew"),
    (intrude, "kinevla"),
    (garble, "nan"),
]


@pytest.mark.parametrize(("fault", "said"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_every_fault_stops_and_nothing_resumes_by_itself(fault, said):
    rig = Rig().started()
    fault(rig)
    rig.run(0.5)
    assert rig.session.state is State.STOPPED
    assert said in rig.session.reason
    count = len(rig.sent)
    # All is well again, but nobody asked for a start.
    rig.pressed = rig.deadman_alive = rig.leader_alive = rig.follower_alive = True
    rig.leader_pose = rig.follower_pose
    rig.session.driver("", EPOCH)
    rig.session.other_sources(())
    rig.run(2.0)
    assert rig.session.state is State.STOPPED and len(rig.sent) == count
    assert rig.session.start(rig.now_s).ok
    rig.run(0.2)
    assert rig.session.state is State.FOLLOWING


def test_a_release_stops_before_the_next_tick():
    rig = Rig().started()
    rig.session.deadman(False, rig.now_s + 0.001)
    assert rig.session.state is State.STOPPED
    assert rig.session.tick(rig.now_s + 0.002) is None


def test_a_follower_that_does_not_follow_stops_the_session():
    rig = Rig(max_follow_error_rad=0.2).started()
    rig.follower_obeys = False

    def lead() -> None:
        rig.leader_pose = moved(rig.leader_pose[0] + 0.01)

    rig.run(1.5, lead)
    assert rig.session.state is State.STOPPED and "joint_1: the follower is" in rig.session.reason


def test_the_follower_goes_to_a_leader_in_another_pose_slowly_and_only_after_start():
    rig = Rig(require_drift_check=False, align_speed_rad_s=0.25)
    rig.leader_pose = moved(0.5)
    rig.run(1.0)
    assert not rig.sent
    assert rig.session.start(rig.now_s).ok
    rig.run(1.0)
    assert rig.session.state is State.ALIGNING
    steps = [abs(b[0] - a[0]) for a, b in zip(rig.sent, rig.sent[1:], strict=False)]
    assert max(steps) <= 0.25 * 0.02 + 1e-9
    rig.run(1.5)
    assert rig.session.state is State.FOLLOWING and rig.sent[-1] == moved(0.5)


@pytest.mark.parametrize(("by_moving", "distance"), [(False, 0.1), (True, 1.2)])
def test_start_is_refused_when_the_poses_are_too_far_apart(by_moving, distance):
    rig = Rig(require_drift_check=False, align_by_moving=by_moving)
    rig.leader_pose = moved(distance)
    rig.run(0.2)
    answer = rig.session.start(rig.now_s)
    assert not answer.ok and "not aligned: joint_1" in answer.text


def test_start_wants_a_drift_check_that_passed_and_is_fresh():
    rig = Rig(drift_valid_s=10.0)
    rig.run(1.5)
    assert "no drift check yet" in rig.session.start(rig.now_s).text
    rig.leader_pose = moved(0.0524)
    rig.run(1.5)
    answer = rig.session.check_drift(rig.now_s)
    assert not answer.ok and "joint_1 is off by +3.00 degrees" in answer.text
    assert "joint_1" in rig.session.start(rig.now_s).text
    rig.leader_pose = POSE
    rig.run(1.5)
    assert rig.session.check_drift(rig.now_s).ok
    rig.run(10.5)
    assert "older than 10 s" in rig.session.start(rig.now_s).text


def test_start_names_everything_that_is_missing():
    text = Session(SessionConfig()).start(0.0).text
    for part in ("deadman", "leader", "follower", "driver"):
        assert part in text
