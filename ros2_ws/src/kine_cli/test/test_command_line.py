"""The command line as a user types it: what is understood, and what a bad one is answered."""

from __future__ import annotations

import re
from argparse import Namespace

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from kine_cli.commands import CALLS, answer, granted
from kine_cli.main import main, parser
from kine_cli.status import lines
from kine_msgs.msg import DriverState
from kine_msgs.srv import Instruct, StopEpisode
from kine_nodes.which_arm import ARM_STATUS


def read(*words: str) -> Namespace:
    return parser().parse_args(words)


def test_a_sentence_is_handed_on_as_it_was_typed():
    given = read("instruct", "Pick up the bread")
    assert given.run.args[0].request(given) == Instruct.Request(instruction="Pick up the bread")


def test_a_verdict_is_a_word_and_becomes_the_number_of_the_service():
    given = read("record", "stop", "failure", "--note", "dropped it")
    request = given.run.args[0].request(given)
    assert (request.verdict, request.note) == (StopEpisode.Request.VERDICT_FAILURE, "dropped it")
    assert read("record", "stop").verdict == "unknown"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "COMMAND"),
        (["enabel"], "enabel"),
        (["instruct"], "text"),
        (["record", "stop", "fine"], "success"),
        (["enable", "--wait", "-1"], "above 0"),
        (["enable", "--timeout", "soon"], "soon"),
    ],
    ids=["nothing", "mistyped", "no sentence", "no such verdict", "negative", "no number"],
)
def test_a_line_that_is_not_understood_ends_with_code_2_and_the_word(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_help_lists_every_command_with_what_it_does(capsys: pytest.CaptureFixture[str]):
    said = ""
    for words in ([], ["record"], ["teleop"], ["relay"]):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--help"])
        assert ended.value.code == 0
        said += re.sub(r"\s+", " ", capsys.readouterr().out)
    assert [call.words for call in CALLS if f"{call.words[-1]} {call.help[:20]}" not in said] == []


def test_a_refusal_without_a_reason_is_still_a_sentence():
    response = Instruct.Response(accepted=False, message="")
    assert not granted(response) and answer(response)


def test_a_kept_recording_is_told_with_its_size_and_the_audit():
    response = StopEpisode.Response(
        success=True, episode_id="e1", audit="good", duration_s=12.34, messages_written=5
    )
    assert answer(response) == "kept e1: 12.3 s, 5 messages, good"


def test_the_status_begins_with_the_arm_and_whether_it_is_real():
    state = DriverState(state=DriverState.STOPPED, reason="emergency stop", source="kinevla")
    arm = DiagnosticStatus(level=b"\2", name=ARM_STATUS, message="stop", hardware_id="192.168.1.18:8080")
    assert lines(state, {ARM_STATUS: arm}, simulator=False) == [
        "arm STOPPED (REAL arm at 192.168.1.18:8080): emergency stop",
        "moved by kinevla",
        "ERROR realman_driver: arm: stop",
    ]


def test_names_of_others_cannot_write_lines_of_their_own():
    bad = DiagnosticStatus(level=b"\0", name="a\nb", message="\x1b[31mred")
    (line,) = lines(None, {"a": bad}, simulator=False)
    assert "\n" not in line and "\x1b" not in line
