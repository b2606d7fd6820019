"""The documentation points at things that exist: files, anchors, make targets, commands, parameters."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from kine_sim.tasks import TASKS
from kinevla.cli.main import find_command
from kinevla.cli.parse import read_line
from kinevla_policy.stack import StackSettings

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("models/checkpoints/*/README.md")],
    key=lambda page: str(page),
)
ids = [str(page.relative_to(ROOT)) for page in PAGES]
every_page = pytest.mark.parametrize("page", PAGES, ids=ids)


@cache
def tokens(page: Path) -> list[Token]:
    """The page as Markdown tokens."""
    return MarkdownIt("commonmark").enable("table").parse(page.read_text())


def links(page: Path) -> list[str]:
    """Targets of all links and pictures."""
    found = []
    for token in tokens(page):
        for child in token.children or []:
            found += [str(child.attrs[name]) for name in ("href", "src") if name in child.attrs]
    return found


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as code hosts and the site make them."""
    found, all_tokens = set(), tokens(page)
    for token, inline in itertools.pairwise(all_tokens):
        if token.type == "heading_open":
            text = "".join(c.content for c in inline.children or [] if c.type in ("text", "code_inline"))
            found.add(re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-"))
    return found


def command_lines(page: Path) -> list[str]:
    """Shell lines of a page without comments, continued ones joined."""
    blocks = [t.content for t in tokens(page) if t.type == "fence" and t.info.split()[:1] in ([], ["bash"])]
    text = re.sub(r"\\\n\s*", " ", "\n".join(blocks))
    return [line for line in (re.sub(r"\s+# .*", "", line).strip() for line in text.splitlines()) if line]


@every_page
def test_every_link_leads_to_a_file_and_a_heading(page: Path):
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} does not exist"
        assert target.is_relative_to(ROOT), f"{link} leaves the repository"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link}: no such heading, there are {sorted(anchors(target))}"


@every_page
def test_every_make_target_exists(page: Path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    lines = " ".join(line for line in command_lines(page) if line.startswith("make "))
    named = set(re.findall(r"`make ([a-z-]+)", page.read_text())) | set(re.findall(r"make ([a-z-]+)", lines))
    assert named <= targets


@every_page
def test_every_launch_argument_exists(page: Path):
    known = {field.name for field in dataclasses.fields(StackSettings)}
    for line in command_lines(page):
        if "robot.launch.py" in line:
            assert set(re.findall(r"(\w+):=", line)) <= known, line


@every_page
def test_every_command_is_understood(page: Path):
    for line in command_lines(page):
        line = line.removeprefix("scripts/run ")
        if not line.startswith(("kinevla ", "python -m ")) or "..." in line:
            continue
        words = shlex.split(line.replace("…", "SOMETHING"))
        if words[0] == "python":
            assert importlib.util.find_spec(words[2]) is not None, line
            continue
        command = find_command(words[1:])
        assert command is not None, line
        read_line(command, words[1 + len(command.words) :])


def test_the_readme_lists_the_whole_world_of_the_shipped_policy():
    readme = (ROOT / "README.md").read_text()
    missing = [task.instruction for task in TASKS if f"| {task.number} | {task.instruction} |" not in readme]
    assert not missing


def test_the_site_lists_every_page():
    class Loader(yaml.SafeLoader):
        """Knows the tags of mkdocs.yml that are not plain YAML."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)
    Loader.add_constructor("!ENV", lambda loader, node: None)
    nav = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"]

    def pages(item: object) -> set[str]:
        if isinstance(item, str):
            return {item}
        values = item.values() if isinstance(item, dict) else item
        return set().union(*(pages(value) for value in values))

    written = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    listed = pages(nav) - {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE.md"}
    assert not written - listed, f"not in mkdocs.yml: {sorted(written - listed)}"
    assert not listed - written, f"in mkdocs.yml, but not written: {sorted(listed - written)}"


def test_no_page_stands_twice_in_the_navigation():
    found = re.findall(r"- ([\w/-]+\.md)", (ROOT / "mkdocs.yml").read_text())
    assert sorted(found) == sorted(set(found))


def test_the_python_page_says_what_the_docstrings_say():
    script = ROOT / "scripts" / "write_api.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_parameter_page_says_what_the_nodes_declare():
    script = ROOT / "scripts" / "write_parameters.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_parameter_page_has_every_parameter_of_every_parameter_file():
    sections = (DOCS / "reference" / "parameters.md").read_text().split("\n## ")
    for file in (ROOT / "ros2_ws" / "src").glob("*/config/*.yaml"):
        nodes = yaml.safe_load(file.read_text())
        name = f"{file.parent.parent.name}/config/{file.name}"
        for parameters in (node["ros__parameters"] for node in nodes.values() if "ros__parameters" in node):
            found = [section for section in sections if f"`{name}`" in section]
            assert len(found) == 1, f"{name} is not in scripts/write_parameters.py"
            missing = {key for key in parameters if f"| `{key}` |" not in found[0]}
            assert not missing, f"{name}: no such parameters: {sorted(missing)}"


@pytest.mark.slow
def test_the_site_is_built_without_warnings():
    done = subprocess.run(["make", "docs"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert not re.search(r"^WARNING", done.stdout + done.stderr, flags=re.MULTILINE), done.stderr
    assert (ROOT / ".site" / "index.html").is_file()
