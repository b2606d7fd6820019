"""The controls that lie in a policy's folder, read to be printed beside its own figures."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from kinevla.evaluation.controls import CONTROLS, Control
from kinevla.evaluation.statistics import WILSON, Difference, Rate
from kinevla.evaluation.trial_types import NO_SCENE, TrialResult
from kinevla.manifest import MANIFEST_NAME, ManifestError, verify_manifest

if TYPE_CHECKING:
    from kinevla.evaluation.config import EvaluateConfig

FOLDER, TRIALS_NAME = "controls", "trials.jsonl"
_OWN_SETTINGS = {"control", "trials", "episodes"}
"""In these a control may differ from the policy it stands beside."""


@dataclass(frozen=True)
class ControlFigures:
    """A control beside a policy."""

    control: Control  # its name
    goal: Rate  # its success rate
    kinematics: Rate  # likewise
    # its goal success less the policy's on the trials both have; None without any
    goal_difference: Difference | None
    kinematics_difference: Difference | None
    by_sentence: dict[str, str]  # "successes/trials" of kinematics of each sentence

    @property
    def marked(self) -> bool:
        """Whether one of the intervals of its line is not resampled."""
        intervals = (self.goal, self.kinematics, self.kinematics_difference)
        return any(item is not None and item.method == WILSON for item in intervals)


@dataclass(frozen=True)
class FoundControls:
    """What was found in a policy's folder."""

    rows: tuple[ControlFigures, ...]
    left_out: tuple[str, ...]  # why a folder is not among them, one line each
    command: str  # runs the controls that are missing

    def text(self) -> str:
        """Write as a table, or as the line that says how to run them."""
        if not self.rows:
            return "\n".join([*self.left_out, f"controls were not run: {self.command}"])
        head = f"{'control':>10}{'scenes':>8}  {'goal':<24}{'kinematics':<24}kinematics less the policy's"
        lines = [head]
        for row in self.rows:
            found = row.kinematics_difference
            change = "-" if found is None else f"{found.text()}, {found.trials} trials, {found.scenes} scenes"
            rates = f"{row.goal.text():<24}{row.kinematics.text():<24}"
            lines.append(f"{row.control:>10}{row.goal.scenes:>8}  {rates}{change}")
        return "\n".join([*lines, *self.left_out])


def find_controls(
    config: EvaluateConfig, identity: Mapping[str, Any], results: Sequence[TrialResult]
) -> FoundControls | None:
    """Read the controls of the same settings and inputs beside a policy's trials.

    None for a control and for an intervention.
    """
    if config.control != "none" or config.intervention != "none":
        return None
    rows: list[ControlFigures] = []
    left_out: list[str] = []
    for control in CONTROLS:
        folder = config.out / FOLDER / control
        if not (folder / MANIFEST_NAME).is_file():
            continue
        try:
            verify_manifest(folder, kind="evaluation")
        except ManifestError as error:
            left_out.append(f"{control} is left out: {error}")
            continue
        header, *lines = [json.loads(line) for line in (folder / TRIALS_NAME).read_text().splitlines()]
        if other := _differs(header, identity):
            left_out.append(f"{control} is left out, it has other settings: {other}")
        else:
            trials = [TrialResult.from_dict(line) for line in lines]
            rows.append(_figures(control, [trial for trial in trials if trial.ended != NO_SCENE], results))
    return FoundControls(tuple(rows), tuple(left_out), command_line(replace(config, control="all")))


def command_line(config: EvaluateConfig) -> str:
    """Return the `kinevla evaluate` line with these settings, without those that only concern its course."""
    words = ["kinevla", "evaluate"]
    for item in fields(config):
        value = getattr(config, item.name)
        if item.name in ("progress", "max_minutes") or value == item.default:
            continue
        option = item.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif isinstance(value, tuple):
            words += [f"--{option}", *map(str, value)]
        elif value is not None:
            words += [f"--{option}", str(value)]
    return shlex.join(words)


def _differs(header: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """Name the settings and inputs in which a control is not the policy's."""

    def settings(values: Mapping[str, Any]) -> dict[str, Any]:
        plain = {key: value for key, value in values.items() if key not in _OWN_SETTINGS}
        inputs = {key: value for key, value in values.get("inputs", {}).items() if key not in _OWN_SETTINGS}
        return plain | {"inputs": inputs}

    here, there = settings(identity), settings(header)
    return ", ".join(key for key in sorted(set(here) | set(there)) if here.get(key) != there.get(key))


def _figures(
    control: Control, trials: Sequence[TrialResult], policy: Sequence[TrialResult]
) -> ControlFigures:
    own = {result.key: result for result in policy}
    pairs = [(own[trial.key], trial) for trial in trials if trial.key in own]
    shared = [trial.seed for _, trial in pairs]
    differences = [
        Difference.of([getattr(a, name) for a, _ in pairs], [getattr(b, name) for _, b in pairs], shared)
        if pairs
        else None
        for name in ("goal", "kinematics")
    ]
    sentences: dict[str, list[bool]] = {}
    for trial in trials:
        sentences.setdefault(trial.instruction, []).append(trial.kinematics)
    scenes = [trial.seed for trial in trials]
    return ControlFigures(
        control=control,
        goal=Rate.of([trial.goal for trial in trials], scenes),
        kinematics=Rate.of([trial.kinematics for trial in trials], scenes),
        goal_difference=differences[0],
        kinematics_difference=differences[1],
        by_sentence={text: f"{sum(done)}/{len(done)}" for text, done in sentences.items()},
    )
