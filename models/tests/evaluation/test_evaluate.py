from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinevla.data.demonstrations import DemonstrationConfig, DemonstrationJob, record_demonstration
from kinevla.data.episodes import EpisodeWriter
from kinevla.data.plugins import PluginError
from kinevla.evaluation.comparison import compare
from kinevla.evaluation.config import EvaluateConfig
from kinevla.evaluation.runner import EvaluationError, config_of, differences, evaluate
from kinevla.evaluation.trial import run_trial
from kinevla.evaluation.trial_types import TrialJob
from kinevla.manifest import ManifestError
from kinevla.text import load_task_texts
from kinevla.text.wordings import numbered_wording

POLICY = {"control": "none", "checkpoint": Path("any")}
TABLE = "fake_table:fake/Table-v0"


def test_trials_of_all_tasks_share_their_seeds_and_are_counted_per_task(fake_simulator, settings):
    outcome = evaluate(settings())
    assert [(r.task, r.seed) for r in outcome.results[:4]] == [(1, 20), (2, 20), (1, 21), (2, 21)]
    assert outcome.complete
    # Seed 23 fails on this table.
    assert [row.kinematics.text().split()[0] for row in outcome.summary.tasks] == ["4/5", "4/5"]
    assert outcome.summary.pooled.goal.successes == 8
    assert outcome.summary.failures == {"seed 23 ends in 3": 2}


def test_a_trial_ends_when_the_arm_rests_and_not_when_the_judge_is_content(fake_simulator, settings):
    result = run_trial(settings().jobs()[0])
    assert result.ended == "at rest for 3 chunks"
    assert 1.6 < result.duration_s < 15.0
    assert result.motion.path_deviation_mm < 1.0


def test_a_controller_that_never_rests_is_stopped_by_the_clock(fake_simulator, settings):
    config = replace(settings().trial_config(), max_time_s=1.2)
    result = run_trial(TrialJob(config, 1, 20))
    assert result.ended == "time is up (1.2 s)"
    assert result.steps == 12


def test_injected_latency_shows_as_standing_still(fake_simulator, settings):
    quick = run_trial(settings().jobs()[0])
    slow = run_trial(settings(latency_s=0.3).jobs()[0])
    assert quick.motion.longest_idle_s == 0.0
    assert slow.motion.longest_idle_s == pytest.approx(0.3)
    assert slow.duration_s > quick.duration_s


def test_an_unfinished_evaluation_goes_on_and_equals_an_uninterrupted_one(fake_simulator, settings, tmp_path):
    parts = tmp_path / "parts"
    evaluate(settings(out=parts, trials=2))
    header, *rows = (parts / "trials.jsonl").read_text().splitlines()
    kept = json.loads(header) | {"trials": 5}
    (parts / "trials.jsonl").write_text("\n".join([json.dumps(kept), *rows[:3]]) + "\n")
    continued = evaluate(settings(out=parts))
    whole = evaluate(settings(out=tmp_path / "whole"))
    assert continued.results == whole.results


def test_a_used_up_budget_reports_what_is_missing(fake_simulator, settings):
    outcome = evaluate(settings(max_minutes=1e-9))
    assert not outcome.complete
    assert outcome.summary is None


def test_other_settings_in_the_same_directory_are_refused_by_name(fake_simulator, settings):
    evaluate(settings(trials=1))
    with pytest.raises(EvaluationError, match=r"latency_s = 0\.0, asked for 0\.2"):
        evaluate(settings(trials=1, latency_s=0.2))


def test_trials_from_before_a_setting_was_introduced_are_continued(fake_simulator, settings):
    config = settings(trials=1)
    evaluate(config)
    header, *rows = (config.out / "trials.jsonl").read_text().splitlines()
    older = {key: value for key, value in json.loads(header).items() if key != "through_ros"}
    (config.out / "trials.jsonl").write_text("\n".join([json.dumps(older), *rows]) + "\n")
    assert len(evaluate(config).results) == 2
    with pytest.raises(EvaluationError, match=r"through_ros = None, asked for True"):
        evaluate(settings(trials=1, through_ros=True))


def test_without_the_ros_workspace_trials_through_ros_end_with_one_line(settings, monkeypatch):
    monkeypatch.setattr("kinevla.evaluation.runner.ROS_TRIAL", "no_such_workspace:run_trial")
    with pytest.raises(PluginError, match="cannot import 'no_such_workspace'"):
        evaluate(settings(through_ros=True))


def test_rerun_from_the_manifest_gives_the_same_verdicts(fake_simulator, settings, tmp_path):
    first = settings()
    evaluate(first)
    again = config_of(first.out / "manifest.json", tmp_path / "again")
    assert again.identity() == first.identity()
    evaluate(again)
    assert differences(first.out, again.out) == []


def test_two_evaluations_are_compared_on_the_trials_they_share(fake_simulator, settings, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    evaluate(settings(out=first, trials=4))
    evaluate(settings(out=second, trials=5))
    # Seed 23 fails in both. In the second let seed 20 fail too, and of seed 21 the kinematics alone.
    header, *rows = map(json.loads, (second / "trials.jsonl").read_text().splitlines())
    for row in rows:
        row["goal"] = row["goal"] and row["seed"] != 20
        row["kinematics"] = row["kinematics"] and row["seed"] not in (20, 21)
    (second / "trials.jsonl").write_text("\n".join(map(json.dumps, [header, *rows])) + "\n")
    found = compare(first, second)
    assert (found.goal.trials, found.goal.scenes) == (8, 4)
    assert found.only_there == (2, 4) and found.only_here == (0, 0)
    assert (found.goal.change, found.kinematics.change) == (-0.25, -0.5)
    assert "goal against the other on 8 shared trials in 4 scenes: -25.0 points" in found.text()
    assert compare(second, first).only_here == (2, 4)
    evaluate(settings(out=tmp_path / "elsewhere", trials=1, first_seed=900))
    with pytest.raises(EvaluationError, match="share no trial"):
        compare(first, tmp_path / "elsewhere")


def test_a_changed_evaluation_cannot_be_repeated(fake_simulator, settings, tmp_path):
    config = settings(trials=1)
    evaluate(config)
    with (config.out / "summary.txt").open("a") as stream:
        stream.write("better\n")
    with pytest.raises(ManifestError, match=r"summary\.txt"):
        config_of(config.out, tmp_path / "again")


def test_replaying_recorded_targets_repeats_their_outcome(fake_simulator, settings, tmp_path):
    made = DemonstrationConfig(environment_id=TABLE, expert="fake_table:Expert")
    writer = EpisodeWriter(tmp_path / "demos", {"fake": True})
    for seed in (20, 21):
        writer.add(record_demonstration(DemonstrationJob(made, 1, seed)))
    outcome = evaluate(settings(control="replay", episodes=tmp_path / "demos", tasks=(1,), trials=2))
    assert outcome.summary.pooled.kinematics.successes == 2
    with pytest.raises(EvaluationError, match="no episode of task 1, seed 22"):
        evaluate(
            settings(control="replay", episodes=tmp_path / "demos", tasks=(1,), trials=3, out=tmp_path / "x")
        )


def test_the_page_shows_every_failure_and_one_success_of_each_task_with_film_and_still(
    fake_simulator, settings
):
    config = settings(films="failures", trials=4, tasks=(1,))
    evaluate(config)
    names = [f"task1-seed{seed}.{kind}" for seed in (20, 23) for kind in ("jpg", "mp4")]
    assert sorted(path.name for path in (config.out / "films").iterdir()) == names
    page = (config.out / "index.html").read_text()
    assert 'src="films/task1-seed23.mp4"' in page
    assert "failed: seed 23 ends in 3" in page
    assert 'poster="films/task1-seed23.jpg"' in page and 'src="films/task1-seed20.mp4"' in page
    assert page.count('class="trial"') == 2
    assert "<title>Control &#39;expert&#39; on the seven tasks on the RM75</title>" in page
    assert page.count("<table>") == 1 and "rad/s³" in page
    import av

    with av.open(str(config.out / "films" / "task1-seed23.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) > 16
    assert np.abs(frames[0].astype(int) - frames[-12].astype(int)).mean() > 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"control": "none"}, "needs a checkpoint"),
        ({"control": "expert", "intervention": "random"}, "only the policy itself has reasoning"),
        ({"tasks": (1, 1)}, "different tasks"),
        ({"trials": 0}, "trials must lie in 1..10000, got 0"),
        ({"latency_s": -0.1}, "latency_s must lie in 0..10, got -0.1"),
        ({"through_ros": True, "latency_s": 0.2}, "latency_s = 0.2 is for the plain environment"),
        ({"through_ros": True, "env": "libero", **POLICY}, "no ROS nodes"),
        ({"through_ros": True, "launch": ("fast",)}, "'fast' must have the form name:=value"),
        ({"launch": ("robot_port:=1",)}, "is for --through-ros"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


def test_a_task_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ValueError, match="task 9 is unknown"):
        EvaluateConfig(out=tmp_path, control="expert", tasks=(9,)).jobs()
    with pytest.raises(ValueError, match="wording must not be negative, got -1"):
        EvaluateConfig(out=tmp_path, control="expert", wording=-1)


def test_a_numbered_wording_is_said_in_every_task(tmp_path):
    said = {
        job.task: job.instruction for job in EvaluateConfig(out=tmp_path, control="expert", wording=5).jobs()
    }
    tasks = load_task_texts("kine_realman")
    assert said == {task.number: numbered_wording(task.instruction, 5) for task in tasks}
