"""Writes docs/reference/python.md from the docstrings of the packages' public names.

Run it with `scripts/run python scripts/write_api.py`; `make docs` does too. With `--check` nothing is
written, and the exit status is 1 when the page is not what the docstrings say.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "python.md"
HEAD = """# Python API

<!-- Written by scripts/write_api.py from the docstrings in the code: do not edit. -->

What other programs may build on. `models/kinevla` needs no ROS; the packages of `ros2_ws` are importable
under `scripts/run`, or where the workspace is sourced. Angles are radians, lengths metres, times seconds.

A policy without any ROS, from two pictures and a joint state to five joint targets:

```python
import numpy as np
from kinevla.policy import KineVLAPolicy, Observation

policy = KineVLAPolicy.load("models/checkpoints/nano")
grey = np.full((224, 224, 3), 128, np.uint8)  # a camera's picture, RGB
seen = Observation(front=grey, wrist=grey, state=np.zeros(8))
plan = policy.plan(seen, "pick up the bread and move it to the front")
print(plan.goal_text, plan.kinematics_text, plan.actions.shape)
```
"""
# Module, what it is for, its public names (empty: its `__all__`).
MODULES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("kinevla.policy", "A trained policy", ("KineVLAPolicy", "Plan", "Observation", "InstructionError")),
    ("kinevla.actions", "Action tokenisers", ()),
    ("kinevla.data.episodes", "Data sets", ("EpisodeReader",)),
    ("kinevla.data.episode", "One episode", ("Episode",)),
    ("kinevla.evaluation.runner", "Evaluation", ("evaluate", "Evaluation", "EvaluationError")),
    (
        "kinevla.manifest",
        "Manifests",
        ("read_manifest", "verify_manifest", "write_manifest", "ManifestError"),
    ),
    ("kine_sim.env", "The tabletop as a gymnasium environment", ("KineRealmanEnv",)),
    ("kine_sim.judge", "The judge", ("Judge", "Verdict")),
    ("kine_sim.controller", "The emulated controller", ("EmulatedController",)),
    ("kinevla_policy.demo_client", "A client of the running stack", ("DemoClient", "StackError")),
    ("kinevla_policy.stack_process", "The stack as a child process", ("StackProcess",)),
)
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):$")
_ITEM = re.compile(r"^([\w*, ]+?): (.*)$")


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, title, wanted in MODULES:
        module = importlib.import_module(name)
        parts.append(f"\n## {title}: `{name}`\n")
        parts += [_entry(item, getattr(module, item)) for item in wanted or sorted(module.__all__)]
    return "\n".join(parts).rstrip() + "\n"


def _entry(name: str, thing: Any) -> str:
    lines = [f"### `{name}`", "", *_signature(name, thing), *_text(inspect.getdoc(thing) or "")]
    if inspect.isclass(thing):
        for member, raw in sorted(vars(thing).items()):
            function = raw.__func__ if isinstance(raw, classmethod | staticmethod) else raw
            if member.startswith("_") or not (inspect.isfunction(function) or isinstance(raw, property)):
                continue
            lines += [f"#### `{name}.{member}`", ""]
            if inspect.isfunction(function):
                lines += _signature(member, function)
            lines += _text(inspect.getdoc(raw) or "")
    return "\n".join(lines)


def _signature(name: str, thing: Any) -> list[str]:
    if inspect.isclass(thing) and (issubclass(thing, Exception) or getattr(thing, "_is_protocol", False)):
        return []
    try:
        text = str(inspect.signature(thing))
    except (TypeError, ValueError):
        return []
    # Defaults that are objects print an address, which would differ from run to run.
    text = re.sub(r"<([\w.]+)[^<>]* at 0x[0-9a-f]+>", r"\1", text)
    text = text.replace("(self, ", "(").replace("(self)", "()").replace("(cls, ", "(").replace("'", "")
    return ["```python", f"{name}{text}", "```", ""]


def _text(doc: str) -> list[str]:
    """A docstring as Markdown: sections as lists, everything else as it stands."""
    lines: list[str] = []
    section = False
    for line in doc.splitlines():
        shown = line.strip().replace("<", "&lt;")
        if match := _SECTION.match(shown):
            lines += [f"**{match[1]}**", ""]
            section = True
        elif section and line.startswith("    ") and not line.startswith("     "):
            item = _ITEM.match(shown)
            lines.append(f"- `{item[1]}`: {item[2]}" if item else f"- {shown}")
        elif section and shown:
            lines.append(f"  {shown}")
        else:
            lines.append(shown)
    return [*lines, ""]


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    text = page()
    if not parser.parse_args().check:
        PAGE.write_text(text)
        return 0
    if PAGE.is_file() and PAGE.read_text() == text:
        return 0
    print(f"{PAGE} is not what the docstrings say: run `make docs`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
