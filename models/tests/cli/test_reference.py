"""The reference page and the help texts say what the program does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from kinevla.cli.command import EXIT_MEANING, Command, Exit
from kinevla.cli.main import COMMANDS, find_command
from kinevla.cli.parse import read_line
from kinevla.configs import MODELS, TOKENIZERS, TRAININGS

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text()
BLOCKS = "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL))
LINES = [line for line in BLOCKS.splitlines() if line.startswith("kinevla ")]
EXAMPLES = [example for command in COMMANDS for example in command.examples]


def test_the_page_has_a_section_for_every_command_and_no_other():
    assert set(re.findall(r"^### `kinevla (.*)`$", PAGE, flags=re.MULTILINE)) == {c.name for c in COMMANDS}


def test_the_page_lists_every_exit_status():
    assert set(EXIT_MEANING) == set(Exit)
    stated = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, flags=re.MULTILINE)
    assert [int(code) for code, _ in stated] == [code.value for code in Exit]


@pytest.mark.parametrize(
    ("kind", "names"),
    [("training", TRAININGS.names), ("tokenizer", TOKENIZERS.names), ("model", MODELS.names)],
)
def test_the_page_names_every_configuration(kind, names):
    row = re.search(rf"^\| {kind} \| (.*) \|$", PAGE, flags=re.MULTILINE)
    assert row is not None
    assert set(re.findall(r"`([^`]+)`", row[1])) == set(names)


def test_every_command_has_an_example():
    assert all(command.examples for command in COMMANDS)


@pytest.mark.parametrize("line", sorted({*LINES, *EXAMPLES}))
def test_every_example_is_understood(line: str):
    words = shlex.split(line)[1:]
    command = find_command(words)
    assert isinstance(command, Command)
    read_line(command, words[len(command.words) :])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_help_of_a_command_tells_json_examples_and_a_text_for_every_option(command, capsys):
    with pytest.raises(SystemExit):
        read_line(command, ["--help"])
    text = capsys.readouterr().out
    assert "--json" in text
    assert command.summary in text
    assert "130 interrupted" in text
    flat = " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())
    # A flag, its value's type in capitals, braces or brackets, and then nothing but the default.
    kind = r"(?:,? --[a-z0-9.-]+| -[a-z]\b| [A-Z]+| \{[^}]*\}\|?[A-Z]*| \[[^()]*\])*"
    assert not re.findall(rf"--[a-z0-9.-]+{kind} \((?:default|required)[^)]*\)", flat)
