"""The commands of README, tutorial and how-to pages: the quick ones are run here, all by `make test-docs`.

They run in a folder that looks like the repository and is not: what they write is gone afterwards.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import tyro
from ament_index_python.packages import get_package_prefix
from docs_commands import PAGES, ROOT, Block, blocks, every_block
from yaml import safe_load

from kine_cli.commands import CALLS
from kine_cli.main import parser
from kinevla_policy.stack import StackSettings
from running_stack import start_stack

# Done within seconds, and need nothing that other commands have made.
QUICK = ("scripts/run kinevla data annotate ", "kinevla data annotate ", "scripts/run kine --help")
# What this test cannot have: where one of these stands, the block says why it is not run.
FOREIGN = ("ros2 ", "docker ", "ssh ", "pip ", "torchrun ", "accelerate ")
LIMIT_S = 3600
LINKED = (
    "Makefile",
    "benchmarks",
    "cmake",
    "docker",
    "docs",
    "models",
    "requirements",
    "ros2_ws",
    "scripts",
    ".venv",
)
named = [pytest.param(block, id=block.name) for block in every_block()]
commands = [
    pytest.param(line, id=f"{block.name} {line[:40]}") for block in every_block() for line in block.lines
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with everything of the repository but what commands write."""
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def run_line(line: str, folder: Path) -> None:
    """Run one line as a reader does, in the stack's environment where a page leaves that out."""
    if line.startswith(("kinevla ", "kine ")):
        line = f"scripts/run {line}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"


@pytest.mark.parametrize("block", named)
def test_what_cannot_be_run_here_says_so_on_its_page(block: Block):
    foreign = [line for line in block.lines if line.startswith(FOREIGN)]
    assert block.not_run or not foreign, f"put '<!-- not run: why -->' before it: {foreign}"


@pytest.mark.parametrize("line", commands)
def test_services_programs_and_options_of_a_command_exist(line: str):
    words = shlex.split(line.removeprefix("scripts/run "))
    if words[0] == "kine":
        parser().parse_args(words[1:])
    elif words[:3] == ["python", "-m", "kinevla_policy.runner"]:
        tyro.cli(StackSettings, args=words[3:])
    elif words[:3] == ["ros2", "service", "call"]:
        package, folder, name = words[4].split("/")
        kind = getattr(import_module(f"{package}.{folder}"), name)
        known = {call.service: call.kind for call in CALLS}
        assert known[words[3]] is kind, f"{words[3]} is no {words[4]}"
        kind.Request(**(safe_load(words[5]) if len(words) > 5 else {}))
    elif words[:2] == ["ros2", "run"]:
        assert (Path(get_package_prefix(words[2])) / "lib" / words[2] / words[3]).is_file(), line


@pytest.mark.parametrize(
    "line", sorted({p.values[0] for p in commands if str(p.values[0]).startswith(QUICK)})
)
def test_a_quick_command_does_as_its_page_says(line: str, checkout: Path):
    run_line(line, checkout)


def pages_with_commands() -> Iterator[Path]:
    """Pages with at least one block that is run."""
    return (page for page in PAGES if any(not block.not_run for block in blocks(page)))


@pytest.mark.slow
@pytest.mark.timeout(3 * LIMIT_S)
@pytest.mark.parametrize("page", [pytest.param(p, id=p.name) for p in pages_with_commands()])
def test_the_commands_of_a_page_run_one_after_the_other(page: Path, checkout: Path):
    for block in blocks(page):
        if block.not_run:
            continue
        if block.stack is None:
            for line in block.lines:
                run_line(line, checkout)
            continue
        running = start_stack(checkout, *block.stack)
        client, alive = running.client, running.process.alive
        try:
            client.wait_for("joint states", lambda c=client: c.joint_states, 120, alive)
            if "--no-policy" not in block.stack and "--teleop" not in block.stack:
                client.wait_for(
                    "policy",
                    lambda c=client: c.diagnostic("kinevla: policy").get("message") == "idle",
                    180,
                    alive,
                )
            for line in block.lines:
                run_line(line, checkout)
        finally:
            client.close()
            running.process.stop()
