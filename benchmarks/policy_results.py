"""Closed-loop results of a policy under several conditions: evaluations in, JSON, table and picture out.

Each evaluation is one call of `kinevla evaluate`; docs/results/policy.md says which. This script only gathers
what they wrote, a policy's controls below it:

    scripts/run python benchmarks/policy_results.py .data/ev/main .data/ev/mismatched --out docs/results
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from kinevla.evaluation.controls import CONTROLS
from kinevla.evaluation.found_controls import FOLDER
from kinevla.evaluation.statistics import MARK, WILSON

CONDITIONS = {
    ("intervention", "mismatched"): "kinematics text of another instruction forced",
    ("intervention", "random"): "random words forced as kinematics text",
    ("variation", "moved_camera"): "front camera moved by 2 cm",
    ("variation", "distractor"): "a cup on the table",
    ("variation", "turned_camera"): "front camera moved by 2 cm and turned by 2 degrees",
    ("variation", "white_balance"): "white balance x (0.75, 1, 1.25)",
    ("variation", "noise"): "noise of 20 of 255 in every pixel",
    ("variation", "dark"): "half the light",
    ("variation", "bright"): "bright",
    ("through_ros", True): "through ROS, SDK and TCP",
}


def condition(settings: dict[str, Any], summary: dict[str, Any]) -> str:
    """Say in words what was different from the plain evaluation."""
    found = [text for (name, value), text in CONDITIONS.items() if settings.get(name) == value]
    if settings.get("wording") or settings.get("wording_file"):
        trained = [row["trained"] for row in summary["tasks"]]
        found.append(f"other wording ({sum(map(bool, trained))} of {len(trained)} sentences trained on)")
    if settings["control"] != "none":
        found.insert(0, f"control {settings['control']}")
    return ", ".join(found) or "as trained"


def with_controls(directory: Path) -> list[Path]:
    """Return an evaluation and the controls beside it."""
    beside = [directory / FOLDER / name for name in CONTROLS]
    return [directory, *(path for path in beside if (path / "manifest.json").is_file())]


def gather(directory: Path) -> dict[str, Any]:
    """Return the figures of one evaluation."""
    summary = json.loads((directory / "summary.json").read_text())
    settings = json.loads((directory / "trials.jsonl").read_text().splitlines()[0])
    keep = ("successes", "trials", "scenes", "low", "high", "method")
    return {
        "condition": condition(settings, summary),
        "goal": {name: summary["pooled"]["goal"][name] for name in keep},
        "kinematics": {name: summary["pooled"]["kinematics"][name] for name in keep},
        "reasoning": summary["reasoning"],
        "tasks": [
            {"task": t["task"], "goal": t["goal"]["successes"], "kinematics": t["kinematics"]["successes"],
             "trials": t["goal"]["trials"]}
            for t in summary["tasks"]
        ],
    }  # fmt: skip


def table(results: list[dict[str, Any]]) -> str:
    """Return the figures as a Markdown table."""

    def text(rate: dict[str, Any]) -> str:
        share = 100 * rate["successes"] / rate["trials"]
        low, high = 100 * rate["low"], 100 * rate["high"]
        mark = MARK if rate["method"] == WILSON else ""
        return f"{rate['successes']}/{rate['trials']}, {share:.0f} % ({low:.0f}..{high:.0f}){mark}"

    lines = ["| condition | scenes | goal reached | as the sentence says |", "|---|---|---|---|"]
    lines += [
        f"| {r['condition']} | {r['goal']['scenes']} | {text(r['goal'])} | {text(r['kinematics'])} |"
        for r in results
    ]
    return "\n".join(lines)


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Draw both success rates with their 95 % intervals, a row per condition."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8.0, 0.55 * len(results) + 1.3), layout="constrained")
    for offset, name, colour, label in (
        (-0.18, "goal", "#7a8793", "goal reached"),
        (0.18, "kinematics", "#c2452d", "as the sentence says"),
    ):
        rates = [r[name] for r in results]
        share = [100 * r["successes"] / r["trials"] for r in rates]
        low = [max(0.0, s - 100 * r["low"]) for s, r in zip(share, rates, strict=True)]
        high = [max(0.0, 100 * r["high"] - s) for s, r in zip(share, rates, strict=True)]
        rows = [index + offset for index in range(len(results))]
        axes.barh(rows, share, 0.34, color=colour, label=label)
        axes.errorbar(share, rows, xerr=[low, high], fmt="none", ecolor="#222222", elinewidth=1, capsize=2)
    axes.set_yticks(range(len(results)), [f"{r['condition']} ({r['goal']['trials']})" for r in results])
    axes.invert_yaxis()
    axes.set_xlim(0, 105)
    axes.set_xlabel("trials, % (whiskers: 95 % over scenes)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Gather, write, draw and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("evaluations", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    results = [gather(path) for directory in args.evaluations for path in with_controls(directory)]
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "policy.json").write_text(json.dumps(results, indent=1) + "\n")
    draw(results, args.out / "policy.png")
    print(table(results))


if __name__ == "__main__":
    main()
