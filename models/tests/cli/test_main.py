from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kinevla import __version__
from kinevla.cli.command import EXIT_MEANING
from kinevla.cli.main import COMMANDS, GROUPS, find_command, main
from kinevla.manifest import write_atomically, write_manifest

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
    assert "merge" in text
    assert "tokenizer" not in text


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: "-".join(command.words))
def test_every_command_exists_and_has_help(capsys, command):
    assert callable(command.load()[1])
    assert find_command(command.words) is command
    with pytest.raises(SystemExit) as end:
        main([*command.words, "--help"])
    assert end.value.code == 0
    assert f"usage: kinevla {command.name}" in capsys.readouterr().out


def test_help_and_data_commands_do_not_load_torch():
    code = (
        "import sys; from kinevla.cli.main import main; main(['--help']);\n"
        "try: main(['data', 'generate', '--help'])\n"
        "except SystemExit: pass\n"
        "import kinevla.data.generate\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=MODELS, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_help_tells_groups_examples_and_exit_statuses(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"{group}: {summary}" in text for group, summary in GROUPS.items())
    assert all(f"  {code.value:<4} {meaning}" in text for code, meaning in EXIT_MEANING.items())
    assert "kinevla train --data" in text


@pytest.mark.parametrize("kind", [None, "training", "tokenizer", "model"])
def test_configurations_are_listed_by_kind(capsys, kind):
    line = ["config", "list"] + ([] if kind is None else ["--kind", kind])
    assert main(line) == 0
    assert ("bi-rea" in capsys.readouterr().out) == (kind in (None, "training"))
    assert main([*line, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == ({kind} if kind else {"training", "tokenizer", "model"})


def test_a_configuration_is_shown_with_every_value(capsys):
    assert main(["config", "show", "tiny", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {"training", "tokenizer", "model"}
    assert figures["training"]["decoder"]["layers"] == 2
    assert main(["config", "show", "bi-rea"]) == 0
    text = capsys.readouterr().out
    assert "coupling_weight = 0.0" in text and "tokenizer = kinevla" in text and "decoder.layers = 3" in text


def test_the_chain_of_a_result_is_shown(tmp_path, capsys):
    for name, inputs in (("demos", {}), ("tokens", {"data": tmp_path / "demos"})):
        write_atomically(tmp_path / name / "content", name.encode())
        write_manifest(tmp_path / name, kind=name, files=["content"], inputs=inputs)
    last = tmp_path / "policy"
    write_atomically(last / "content", b"x")
    made_from = {"tokenizer": tmp_path / "tokens", "statistics": {"kind": "statistics", "sha256": "ab" * 32}}
    write_manifest(last, kind="policy", files=["content"], inputs=made_from)
    assert main(["manifest", "show", str(last)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"tokenizer: tokens 'tokens', manifest [0-9a-f]{12}", text)
    assert re.search(r"  data: demos 'demos', manifest [0-9a-f]{12}", text)
    assert "statistics: statistics, sha256 abababababab" in text and "(the installed ones)" in text
    line = ["manifest", "check", str(last), "--against", str(tmp_path / "demos"), "--json"]
    assert main(line) == 0
    assert json.loads(capsys.readouterr().out)["made_from"] == {str(tmp_path / "demos"): "tokenizer/data"}
    (tmp_path / "demos" / "content").write_bytes(b"other")
    write_manifest(tmp_path / "demos", kind="demos", files=["content"])
    assert main(line) == 1
    assert "is none of the inputs" in capsys.readouterr().err


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
    data, out = tmp_path / "demos", tmp_path / "tokenizer"
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
    for result, source in ((out, data), (out / "report", out), (out / "report", data)):
        assert main(["manifest", "check", str(result), "--against", str(source)]) == 0
