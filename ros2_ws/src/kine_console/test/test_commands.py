"""What is a command, and what is refused as none."""

from __future__ import annotations

import asyncio

import pytest

from kine_console.commands import KINDS, Answer, Command, CommandError, parse
from kine_console.desk import CommandDesk


def test_texts_are_trimmed_and_missing_ones_are_empty():
    command = parse("record_start", {"instruction": "  pick up the bread "})
    assert command.arguments == {
        "instruction": "pick up the bread",
        "goal": "",
        "kinematics": "",
        "operator": "",
    }


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("fly", {}, "'fly' is unknown"),
        (None, {}, "unknown"),
        (["stop"], {}, "unknown"),
        ("enable", [], "must be an object"),
        ("enable", {"speed": 3}, "unknown argument speed"),
        ("instruct", {"text": ""}, "text is empty"),
        ("instruct", {"text": 5}, "must be a text, got int"),
        ("instruct", {"text": "a" * 201}, "201 characters, at most 200"),
        ("instruct", {"text": "pick up\x07"}, "U+0007 at position 7"),
        ("instruct", {"text": "first\nsecond"}, "U+000A"),
        ("record_stop", {"verdict": "great"}, "'great', must be unknown or success or failure"),
        ("record_stop", {}, "verdict is 'None'"),
        ("approve", {"instruction_id": -1}, "'-1', must be a number 0.."),
        ("approve", {"instruction_id": True}, "must be a number"),
    ],
)
def test_a_request_that_is_no_command_is_refused_with_field_and_bound(name, arguments, expected):
    with pytest.raises(CommandError) as error:
        parse(name, arguments)
    assert expected in str(error.value)


class Robot:
    """Answers a command when told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def execute(self, command: Command) -> Answer:
        self.asked.append(command.name)
        await self.gates.setdefault(command.name, asyncio.Event()).wait()
        return Answer(True, f"{command.name} done")

    def let(self, name: str) -> None:
        self.gates.setdefault(name, asyncio.Event()).set()


def test_a_stop_passes_everything_that_is_still_being_done():
    async def scene() -> None:
        robot = Robot()
        desk = CommandDesk(robot.execute)
        slow = [asyncio.create_task(desk.submit(Command(name))) for name in ("home", "reset", "enable")]
        await asyncio.sleep(0)
        robot.let("stop")
        answers = [await asyncio.wait_for(desk.submit(Command("stop")), 10) for _ in range(3)]
        assert [a.ok for a in answers] == [True, True, True]
        assert not any(task.done() for task in slow)
        for name in ("home", "reset", "enable"):
            robot.let(name)
        assert all(answer.ok for answer in await asyncio.gather(*slow))

    asyncio.run(scene())


def test_the_same_command_twice_at_once_is_refused_and_nothing_piles_up():
    async def scene() -> None:
        robot = Robot()
        desk = CommandDesk(robot.execute)
        first = asyncio.create_task(desk.submit(Command("home")))
        await asyncio.sleep(0)
        second = await desk.submit(Command("home"))
        assert (second.ok, second.message) == (False, "home is still being done")
        robot.let("home")
        assert (await first).ok
        assert (await desk.submit(Command("home"))).ok, "free again"
        assert robot.asked == ["home", "home"]

    asyncio.run(scene())


def test_a_robot_that_never_answers_or_breaks_gives_an_answer_all_the_same(monkeypatch):
    async def scene() -> None:
        robot = Robot()
        monkeypatch.setitem(KINDS, "enable", type(KINDS["enable"])("enable", timeout_s=0.05))
        desk = CommandDesk(robot.execute)
        answer = await desk.submit(Command("enable"))
        assert not answer.ok and "no answer within" in answer.message

        async def broken(command: Command) -> Answer:
            raise RuntimeError("the service is gone")

        answer = await CommandDesk(broken).submit(Command("reset"))
        assert not answer.ok and "the service is gone" in answer.message

    asyncio.run(scene())
