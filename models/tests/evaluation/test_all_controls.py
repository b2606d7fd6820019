"""`--control all`: the policy, and the controls beside it on the same scenes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from kinevla.cli.main import find_command
from kinevla.cli.parse import read_line
from kinevla.evaluation import trial
from kinevla.evaluation.controllers import ControllerConfig, ExpertController
from kinevla.evaluation.controls import CONTROLS
from kinevla.evaluation.runner import evaluate, evaluate_all
from kinevla.manifest import verify_manifest

NANO = Path(__file__).parents[2] / "checkpoints" / "nano"
ALL = ["lookup", "goal-only", "blind", "shuffled", "expert"]


class Stand(ExpertController):
    """Stands in for the policy and every control, and counts their trials."""

    trials: dict[str, int]

    def __init__(self, config: ControllerConfig) -> None:
        super().__init__(ControllerConfig(control="expert", expert="fake_table:Expert"))
        self._control = config.control

    def start(self, start) -> None:
        super().start(start)
        Stand.trials[self._control] = Stand.trials.get(self._control, 0) + 1


@pytest.fixture
def beside(fake_simulator, settings, monkeypatch):
    """Build an evaluation of a policy with controls, none of which loads a network."""
    Stand.trials = {}
    monkeypatch.setattr(trial, "make_controller", Stand)
    return lambda **changes: settings(
        **{"control": "all", "checkpoint": NANO, "bert": False, "control_trials": 2} | changes
    )


def seeds(folder: Path) -> list[int]:
    return [json.loads(line)["seed"] for line in (folder / "trials.jsonl").read_text().splitlines()[1:]]


def test_controls_run_on_the_first_of_the_policys_scenes_and_stand_beside_it(beside):
    config = beside(trials=5)
    policy, complete = evaluate_all(config)
    assert complete and policy.complete and len(policy.results) == 10
    assert sorted(path.name for path in (config.out / "controls").iterdir()) == sorted(ALL)
    assert all(seeds(config.out / "controls" / name) == [20, 20, 21, 21] for name in ALL)
    found = policy.summary.controls
    assert [row.control for row in found.rows] == ALL and found.left_out == ()
    assert all(row.kinematics_difference.trials == 4 for row in found.rows)
    assert all(row.kinematics_difference.scenes == 2 for row in found.rows)
    text = (config.out / "summary.txt").read_text()
    page = (config.out / "index.html").read_text()
    assert "    lookup       2  4/4 100 %" in text and "+0.0 points" in text
    assert "<th>shuffled</th>" in page and CONTROLS["lookup"].replace("'", "&#39;") in page
    manifest = verify_manifest(config.out, kind="evaluation")
    assert [row["control"] for row in manifest["summary"]["controls"]["rows"]] == ALL
    assert {f"control {name}" for name in ALL} < set(manifest["inputs"])


def test_what_is_there_is_not_run_again_and_what_is_missing_is(beside):
    config = beside(trials=3)
    evaluate(beside(trials=3, control="none"))
    assert Stand.trials == {"none": 6}
    assert not evaluate_all(beside(trials=3, max_minutes=1e-9))[1]
    assert Stand.trials == {"none": 6}
    for _ in range(2):
        assert evaluate_all(config)[1]
    assert Stand.trials == {"none": 6} | dict.fromkeys(ALL, 4)


def test_a_policy_without_controls_says_so_with_the_command_that_runs_them(beside):
    config = beside(control="none", trials=1, latency_s=0.1)
    text = evaluate(config).summary.text()
    assert "controls were not run: kinevla evaluate " in text
    assert "Controls were not run" in (config.out / "index.html").read_text()
    line = next(line for line in text.splitlines() if line.startswith("controls were not run"))
    words = shlex.split(line.partition(": kinevla ")[2])
    args = read_line(find_command(words), words[1:]).args
    assert args.control == "all"
    wanted = config.identity() | {"control": "all"}
    told = args.identity()
    assert {name: told[name] for name in wanted} == wanted


def test_controls_of_other_settings_are_left_out_by_name(beside):
    evaluate_all(beside(trials=1))
    config = beside(trials=1)
    header, *rows = (config.out / "trials.jsonl").read_text().splitlines()
    changed = json.loads(header) | {"friction": 0.3}
    (config.out / "trials.jsonl").write_text("\n".join([json.dumps(changed), *rows]) + "\n")
    found = evaluate(beside(trials=1, control="none", friction=0.3)).summary.controls
    assert found.rows == () and len(found.left_out) == len(ALL)
    assert "lookup is left out, it has other settings: friction" in found.text()


def test_a_damaged_control_is_left_out_and_named(beside):
    config = beside(trials=1)
    evaluate_all(config)
    with (config.out / "controls" / "blind" / "trials.jsonl").open("a") as stream:
        stream.write("\n")
    found = evaluate(beside(trials=1, control="none")).summary.controls
    assert "blind" not in [row.control for row in found.rows]
    assert "blind is left out: " in found.text() and "trials.jsonl" in found.text()


def test_a_control_and_an_intervention_have_no_controls_beside_them(beside):
    assert evaluate(beside(trials=1, control="expert")).summary.controls is None


def test_controls_that_the_inputs_do_not_allow_are_not_run(beside, tmp_path, monkeypatch):
    assert beside().controls() == tuple(ALL)
    assert beside(episodes=tmp_path).controls() == (*ALL, "replay")
    assert beside(through_ros=True).controls() == ("expert",)
    assert beside(env="libero").controls() == ("lookup", "goal-only", "blind", "shuffled")
    monkeypatch.setattr("kinevla.evaluation.config.writes_reasoning", lambda checkpoint: False)
    assert "shuffled" not in beside().controls()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"checkpoint": None}, "needs a checkpoint"),
        ({"control": "lookup", "checkpoint": None}, "'lookup' needs a checkpoint"),
        ({"control": "replay"}, "'replay' needs a data set"),
        ({"control": "blind", "through_ros": True}, "'blind' is for the plain environment"),
        ({"intervention": "random"}, "control = 'all' is for the policy as it is"),
        ({"control": "blind", "intervention": "random"}, "only the policy itself has reasoning"),
        ({"control_trials": 0}, r"control_trials must lie in 1\.\.10000"),
    ],
)
def test_controls_that_cannot_be_are_refused(beside, changes, said):
    with pytest.raises(ValueError, match=said):
        beside(**changes)


def test_the_how_to_says_what_every_control_is():
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "evaluate.md").read_text()
    for name, meaning in CONTROLS.items():
        assert f"| `{name}` | {meaning}" in page
