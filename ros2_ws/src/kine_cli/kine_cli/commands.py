"""What can be asked of the robot: each command's service, request and answer in words. Plain Python."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from std_srvs.srv import Trigger

from kine_msgs.srv import Approve, DiscardEpisode, Instruct, StartEpisode, StopEpisode

VERDICTS = ("unknown", "success", "failure")
"""Words for `StopEpisode.verdict`, in the order of its numbers."""
NOT_STOPPED = "USE THE EMERGENCY STOP SWITCH"


@dataclass(frozen=True)
class Argument:
    """One argument of a command, as `argparse` takes it."""

    name: str
    help: str
    default: str | None = None
    choices: tuple[str, ...] | None = None

    @property
    def flags(self) -> dict[str, Any]:
        """Keyword arguments for `ArgumentParser.add_argument`."""
        flags: dict[str, Any] = {"help": self.help}
        if self.default is not None:
            flags["default"] = self.default
            flags |= {} if self.name.startswith("-") else {"nargs": "?"}
        return flags | ({"choices": self.choices} if self.choices else {})


@dataclass(frozen=True)
class Call:
    """A command that calls one service.

    Attributes:
        words: the command, such as `("record", "start")`.
        help: what it does, one sentence.
        service, kind: name and type of the service.
        arguments: of the command.
        request: fills the request from the parsed arguments.
        remark: said after the reason when it is refused or not answered.
        finding: its answer tells how something is, and is no refusal when that is bad.
    """

    words: tuple[str, ...]
    help: str
    service: str
    kind: Any = Trigger
    arguments: tuple[Argument, ...] = ()
    request: Callable[[Namespace], Any] = lambda given: Trigger.Request()
    remark: str = ""
    finding: bool = False


CALLS = (
    Call(
        ("enable",),
        "allow the arm to move; it holds its pose until it is instructed",
        "/realman_driver/enable",
    ),
    Call(("disable",), "end the right to move; the arm holds", "/realman_driver/disable"),
    Call(
        ("estop",),
        "stop the arm at once; latched until reset and enable",
        "/realman_driver/estop",
        remark=NOT_STOPPED,
    ),
    Call(("reset",), "release a latched stop; the arm stays disabled", "/realman_driver/reset"),
    Call(("home",), "move to the home pose along a checked path", "/realman_driver/home"),
    Call(
        ("instruct",),
        "give the robot one instruction in words",
        "/kinevla/instruct",
        Instruct,
        (Argument("text", "the instruction, in quotes"),),
        lambda given: Instruct.Request(instruction=given.text),
    ),
    Call(
        ("approve",),
        "let the plan that waits for approval begin",
        "/kinevla/approve",
        Approve,
        (Argument("text", "kinematics reasoning to use instead of the proposed one", ""),),
        lambda given: Approve.Request(kinematics_reasoning=given.text),
    ),
    Call(("stop",), "end the running instruction; the arm holds and stays enabled", "/kinevla/stop"),
    Call(
        ("record", "start"),
        "start recording one demonstration",
        "/recorder/start",
        StartEpisode,
        (
            Argument("text", "the instruction that is demonstrated, in quotes"),
            Argument("--goal", "goal reasoning; empty: that of a known task", ""),
            Argument("--kinematics", "kinematics reasoning; empty: that of a known task", ""),
            Argument("--operator", "who demonstrates", ""),
        ),
        lambda given: StartEpisode.Request(
            instruction=given.text,
            goal_reasoning=given.goal,
            kinematics_reasoning=given.kinematics,
            operator_name=given.operator,
        ),
    ),
    Call(
        ("record", "stop"),
        "end the recording and keep it",
        "/recorder/stop",
        StopEpisode,
        (
            Argument("verdict", "how the demonstration went", "unknown", VERDICTS),
            Argument("--note", "free text", ""),
        ),
        lambda given: StopEpisode.Request(verdict=VERDICTS.index(given.verdict), note=given.note),
    ),
    Call(
        ("record", "discard"),
        "end the recording and put it aside",
        "/recorder/discard",
        DiscardEpisode,
        (Argument("reason", "free text", ""),),
        lambda given: DiscardEpisode.Request(reason=given.reason),
    ),
    Call(
        ("teleop", "check"),
        "compare the poses of leader and follower",
        "/kine_teleop/check_drift",
        finding=True,
    ),
    Call(("teleop", "start"), "let the follower copy the leader", "/kine_teleop/start"),
    Call(("teleop", "stop"), "end copying; the follower holds and stays enabled", "/kine_teleop/stop"),
    Call(("teleop", "play"), "let the simulated leader begin", "/sim_leader/play"),
    Call(("relay", "enable"), "let chunks through to another arm", "/kine_relay/enable"),
    Call(("relay", "stop"), "hold the other arm and let nothing through", "/kine_relay/stop"),
    Call(("judge",), "ask the simulator's judge how the task went", "/kine_sim/judge", finding=True),
)


def granted(response: Any) -> bool:
    """Whether the robot does what was asked."""
    return bool(getattr(response, "accepted", getattr(response, "success", False)))


def answer(response: Any) -> str:
    """What the robot answered, in one sentence."""
    text = str(response.message)
    if not granted(response):
        return text or "refused, without a reason"
    if isinstance(response, StartEpisode.Response):
        return f"recording {response.episode_id} into {response.bag_path}"
    if isinstance(response, StopEpisode.Response):
        size = f"{response.duration_s:.1f} s, {response.messages_written} messages"
        return f"kept {response.episode_id}: {size}, {response.audit}"
    if isinstance(response, DiscardEpisode.Response):
        return f"put {response.episode_id} aside as discarded"
    return text or "done"
