from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from kinevla import __version__
from kinevla.cli.main import COMMANDS, find_command, main

MODELS = Path(__file__).parents[2]
FAKE = Path(__file__).parents[1] / "data" / "fake"


def test_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in COMMANDS:
        assert " ".join(command.words) in text


def test_version_is_told(capsys):
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_no_command_is_wrong_usage(capsys):
    assert main([]) == 2
    assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize("line", [["dat"], ["data", "generat"], ["tokenizer", "eat", "--out", "x"]])
def test_unknown_command_names_the_known_ones(capsys, line):
    assert main(line) == 2
    error = capsys.readouterr().err
    assert "data generate" in error
    assert line[0] in error


def test_group_without_command_lists_the_group(capsys):
    assert main(["data", "--help"]) == 0
    text = capsys.readouterr().out
    assert "generate" in text
    assert "views" in text
    assert "tokenizer" not in text


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: "-".join(command.words))
def test_every_command_exists_and_has_help(capsys, command):
    module = importlib.import_module(command.module)
    assert callable(getattr(module, command.run))
    assert find_command(command.words) is command
    with pytest.raises(SystemExit) as end:
        main([*command.words, "--help"])
    assert end.value.code == 0
    assert "--max-minutes" in capsys.readouterr().out or command.words[-1] == "report"


def test_help_and_data_commands_do_not_load_torch():
    code = (
        "import sys; from kinevla.cli.main import main; main(['--help']);\n"
        "try: main(['data', 'generate', '--help'])\n"
        "except SystemExit: pass\n"
        "import kinevla.data.generate, kinevla.data.views\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=MODELS, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_wrong_option_ends_with_usage_error(tmp_path):
    with pytest.raises(SystemExit) as end:
        main(["data", "generate", "--out", str(tmp_path), "--episodes", "3"])
    assert end.value.code == 2


def test_failure_is_one_line_without_traceback(tmp_path, capsys):
    status = main(
        [
            "data",
            "generate",
            "--out",
            str(tmp_path),
            "--environment-id",
            "no_sim_here:x/Y-v0",
            "--workers",
            "1",
        ]
    )
    error = capsys.readouterr().err
    assert status == 1
    assert "no_sim_here" in error.splitlines()[-1]
    assert "Traceback" not in error


def test_demonstrations_to_tokenizer_to_report_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(FAKE))
    data, views, out = tmp_path / "demos", tmp_path / "views", tmp_path / "tokenizer"
    generate = ["data", "generate", "--out", str(data), "--environment-id", "fake_table:fake/Table-v0"]
    generate += [
        "--expert",
        "fake_table:Expert",
        "--episodes-per-task",
        "6",
        "--workers",
        "1",
        "--no-progress",
    ]
    assert main(generate) == 0
    assert "42 of 42 demonstrations" in capsys.readouterr().out
    render = ["data", "views", "--out", str(views), "--count", "6", "--shard-size", "3", "--workers", "1"]
    assert main([*render, "--source", "fake_table:random_views", "--no-progress"]) == 0
    assert "6 of 6 views" in capsys.readouterr().out

    train = ["tokenizer", "train", "--data", str(data), "--out", str(out), "--no-progress"]
    train += ["--training.network.latent", "8", "--training.network.hidden", "16"]
    train += [
        "--training.network.codebook-size",
        "8",
        "--training.batch",
        "64",
        "--training.start-batch",
        "64",
    ]
    train += [
        "--training.stage1-steps",
        "12",
        "--training.stage2-steps",
        "12",
        "--training.warmup-steps",
        "4",
    ]
    assert main([*train, "--max-minutes", "1e-9"]) == 3
    assert "run the same command again" in capsys.readouterr().out
    assert main(train) == 0
    assert "goal + kinematics" in capsys.readouterr().out
    assert main(["tokenizer", "report", "--tokenizer", str(out), "--data", str(data), "--no-baselines"]) == 0
    assert "perplexity" in capsys.readouterr().out
    assert (out / "report" / "report.png").is_file()
