"""Bad command lines: one line on stderr, an exit status, no traceback, nothing on stdout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kinevla.cli import main as cli
from kinevla.cli.command import Command, Exit, Outcome
from kinevla.cli.main import main
from kinevla.cli.parse import one_line

NANO = Path(__file__).parents[2] / "checkpoints" / "nano"
TRAIN = "train --data {tmp}/d --tokenizer {tmp}/t --out {tmp}/o"
USAGE = {
    "train --data d": "missing required options: --tokenizer, --out",
    f"{TRAIN} --batch-size many": "--batch-size: invalid literal",
    f"{TRAIN} --batch-size 1": "batch_size must be at least 2 (the coupling loss compares samples), got 1",
    f"{TRAIN} --max-minutes -3": "max_minutes must be positive and finite, got -3.0",
    f"{TRAIN} --learning-rate nan": "learning_rate must be positive and finite, got nan",
    f"{TRAIN} --temperature 0": "temperature must be positive",
    f"{TRAIN} --schedule linear": "linear",
    f"{TRAIN} --decoder.layer 3": "--decoder.layer",
    f"{TRAIN} --preset nonesuch": "no training preset is named 'nonesuch', known: kinevla, paper",
    f"{TRAIN} --preset": "--preset needs a name",
    "tokenizer train --data d --out o --preset nonesuch": "no tokenizer preset is named 'nonesuch'",
    f"{TRAIN} --tuning lora": "tuning 'lora' adapts pretrained weights: it needs a base",
    f"{TRAIN} --unclear-share 1.5": "unclear_share must lie in 0..1, got 1.5",
    f"{TRAIN} --sight.image-size 100": "image_size must be a multiple of 16 and at least 32, got 100",
    "vision train --views v --out o": "vision train",
    "data views --out o": "data views",
    "checkpoint towers c --out o": "checkpoint towers",
    "bench --views v": "--views",
    "data generate --episodes-per-task 3": "missing required options: --out",
    "data generate --out o --episodes 3": "perhaps --episodes-per-task?",
    "data generate --out o --suite kinebench --tasks 3": "--suite kinebench has no tasks",
    "evaluate --out o --env kinebench --split wording --control expert": "needs wording_file, such as bench",
    "config show nonesuch": "no configuration is named 'nonesuch', known: 7b, ",
    "config show nano --kind training": "no configuration is named 'nano'",
    "config list --kind wings": "wings",
}
FAILED = {
    TRAIN: "d does not exist",
    "bench --checkpoint {tmp}/c": "c does not exist",
    "tokenizer train --data {tmp}/d --out {tmp}/o": "d does not exist",
    "tokenizer report --tokenizer {tmp}/t --data {tmp}/d": "t does not exist",
    "manifest check {tmp}": "holds no manifest.json",
    "manifest show {tmp}/nowhere": "nowhere does not exist",
    "data generate --out {tmp}/o --workers 0": "workers must be at least 1, got 0",
}


def check(line: str, message: str, code: Exit, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.format(tmp=tmp_path).split()) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert message in told.err
    assert "Traceback" not in told.err and "╭" not in told.err
    assert len(told.err.splitlines()) == 1, told.err


@pytest.mark.parametrize(("line", "message"), USAGE.items(), ids=list(USAGE))
def test_wrong_usage_ends_with_2_and_one_line(line, message, tmp_path, capsys):
    check(line, message, Exit.USAGE, tmp_path, capsys)


@pytest.mark.parametrize(("line", "message"), FAILED.items(), ids=list(FAILED))
def test_missing_or_bad_inputs_end_with_1_and_one_line(line, message, tmp_path, capsys):
    check(line, message, Exit.FAILED, tmp_path, capsys)


def one_command(monkeypatch: pytest.MonkeyPatch, run: object) -> None:
    """Make `kinevla config list` do something else."""
    monkeypatch.setattr("kinevla.cli.config_commands.run_list", run)


def test_an_interruption_ends_with_130_and_says_how_to_go_on(monkeypatch, capsys):
    def interrupted(_: object) -> Outcome:
        raise KeyboardInterrupt

    one_command(monkeypatch, interrupted)
    assert main(["config", "list"]) == Exit.INTERRUPTED == 130
    assert capsys.readouterr().err == "stopped; run the same command again to start anew, nothing was kept\n"
    monkeypatch.setattr("kinevla.cli.data_commands.run_convert", interrupted)
    assert main(["data", "convert", "bags", "--out", "set"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err == "stopped; run the same command again to go on\n"


def test_an_interruption_while_the_command_is_still_loaded_is_one_line_too(monkeypatch, capsys):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kinevla.cli.main.read_line", interrupted)
    assert main(["data", "convert", "bags", "--out", "set"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err == "stopped before anything was done\n"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_letters_that_a_terminal_lacks_are_escaped(encoding):
    line = [sys.executable, "-m", "kinevla.cli.main", "data", "annotate", "grab it – now"]
    variables = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run(line, env=variables, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"refused: 'grab it \\u2013 now'" in done.stdout


@pytest.mark.parametrize("code", [Exit.DONE, Exit.UNFINISHED])
def test_the_status_of_an_outcome_is_that_of_the_command(monkeypatch, capsys, code):
    one_command(monkeypatch, lambda _: Outcome("some text", {"a": 1}, code))
    assert main(["config", "list"]) == code
    assert capsys.readouterr().out == "some text\n"


def test_json_has_stdout_for_itself_and_holds_what_json_can(monkeypatch, capsys):
    def noisy(_: object) -> Outcome:
        print("a library that prints")
        return Outcome("text", {"best": float("inf"), "path": Path("x"), "rows": (1, 2)})

    one_command(monkeypatch, noisy)
    assert main(["config", "list", "--json"]) == Exit.DONE
    told = capsys.readouterr()
    assert told.out == '{"best": null, "path": "x", "rows": [1, 2]}\n'
    assert "a library that prints" in told.err


def test_a_failure_with_json_leaves_stdout_empty(tmp_path, capsys):
    assert main(["manifest", "check", str(tmp_path), "--json"]) == Exit.FAILED
    assert capsys.readouterr().out == ""


def test_a_damaged_checkpoint_fails_its_check(tmp_path, capsys):
    import shutil

    copy = shutil.copytree(NANO, tmp_path / "nano")
    assert main(["manifest", "check", str(copy)]) == Exit.DONE
    assert "as written" in capsys.readouterr().out
    (copy / "action_tokenizer" / "tokenizer.json").write_text("{}")
    assert main(["manifest", "check", str(copy)]) == Exit.FAILED
    assert "tokenizer.json has 2 bytes" in capsys.readouterr().err


FRAMED = """\
╭─ Value error ─╮
│ Error parsing │
│ --x: not a    │
│ number        │
│ ───────────── │
│ help          │
╰───────────────╯"""
BARE = """\
 Unrecognized options
 --------------------
  Unrecognized: --ab
  -------------------
  Perhaps you meant:
      --abc INT
          Letters."""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (FRAMED, "--x: not a number"),
        (BARE, "Unrecognized: --ab (perhaps --abc?)"),
        ("plain words", "plain words"),
    ],
)
def test_the_frames_of_the_parser_become_one_line(text, line):
    assert one_line(text) == line


def test_the_table_is_sound():
    names = [command.words for command in cli.COMMANDS]
    assert len(set(names)) == len(names)
    assert {words[0] for words in names} <= set(cli.GROUPS)
    assert all(isinstance(command, Command) and command.summary for command in cli.COMMANDS)
