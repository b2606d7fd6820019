from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kinevla.data.demonstrations import DemonstrationConfig, DemonstrationJob, record_demonstration
from kinevla.data.episodes import DataError, EpisodeReader
from kinevla.data.generate import GenerateConfig, failed_checks, generate
from kinevla.data.noise import NoiseConfig
from kinevla.data.plugins import PluginError, load_object
from kinevla.text.language import parse_sentence, parse_texts
from kinevla.text.language.splits import load_splits, split_of

FAKE = DemonstrationConfig(environment_id="fake_table:fake/Table-v0", expert="fake_table:Expert")


def test_recorded_frame_pairs_the_state_with_the_target_of_the_next_step(fake_simulator):
    episode = record_demonstration(DemonstrationJob(FAKE, 2, 10))
    assert len(episode) == 16 + FAKE.settle_steps
    # The fake arm follows at once: what was commanded in one period is measured in the next.
    np.testing.assert_allclose(episode.state[1:], episode.executed[:-1])
    assert episode.state[0, 0] == 0.0
    assert episode.target[0, 0] > 0.0
    assert episode.instruction == "do task 2"


def test_disturbance_changes_what_is_executed_and_leaves_the_label_clean(fake_simulator):
    noise = NoiseConfig(share=1.0, std_min_rad=0.05, std_max_rad=0.05)
    noisy = record_demonstration(
        DemonstrationJob(DemonstrationConfig(**{**FAKE.__dict__, "noise": noise}), 1, 5)
    )
    clean = record_demonstration(DemonstrationJob(FAKE, 1, 5))
    assert noisy.noisy
    assert not clean.noisy
    np.testing.assert_array_equal(noisy.target, clean.target)
    offset = noisy.executed - noisy.target
    assert np.abs(offset[:, :7]).max() > 0.01
    assert not offset[:, 7].any()
    closing = int(np.flatnonzero(np.diff(clean.target[:, 7]))[0]) + 1
    assert np.abs(offset[closing - 2 : closing + 2]).max() < 1e-9


def test_generation_keeps_successes_and_counts_the_dropped(tmp_path, fake_simulator):
    report = generate(
        GenerateConfig(out=tmp_path, demonstration=FAKE, tasks=(1, 2), episodes_per_task=4, workers=1),
        progress=False,
    )
    assert (report.kept, report.wanted, report.dropped) == (8, 8, 2)
    assert "ends in 3" in report.text()
    seeds = [entry.seed % 10 for entry in EpisodeReader(tmp_path).entries]
    assert seeds == [0, 1, 2, 4] * 2


def test_stopped_generation_goes_on_and_gives_the_same_data_set(tmp_path, fake_simulator):
    def run(out, episodes, workers=1):
        config = GenerateConfig(
            out=out, demonstration=FAKE, tasks=(1, 2), episodes_per_task=episodes, workers=workers
        )
        return generate(config, progress=False)

    run(tmp_path / "parts", 2)
    stamp = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts/episodes").iterdir()}
    run(tmp_path / "parts", 5)
    run(tmp_path / "whole", 5, workers=2)
    parts, whole = EpisodeReader(tmp_path / "parts"), EpisodeReader(tmp_path / "whole")
    assert parts.entries == whole.entries
    assert parts.summary["dropped"] == whole.summary["dropped"]
    for index in range(len(parts)):
        np.testing.assert_array_equal(parts.read(index).target, whole.read(index).target)
    for name, modified in stamp.items():
        assert (tmp_path / "parts/episodes" / name).stat().st_mtime_ns == modified


def test_demonstrations_of_the_language_each_show_a_sentence_that_may_be_trained(tmp_path, fake_simulator):
    config = GenerateConfig(
        out=tmp_path, demonstration=FAKE, suite="kinebench", tasks=(0,), episodes_per_task=12, workers=1
    )
    report = generate(config, progress=False)
    assert (report.kept, report.dropped) == (12, 1)
    reader = EpisodeReader(tmp_path)
    assert reader.config["split"] == {"name": "seen", "sha256": load_splits()["sha256"]}
    episodes = list(reader.motions())
    assert len({episode.instruction for episode in episodes}) == 12
    for episode in episodes:
        asked = parse_sentence(episode.instruction)
        assert split_of(asked) == "seen"
        assert parse_texts(episode.coarse, episode.fine) == asked
    # What is shown follows from the seed: a set that is made again is the same, another one is not.
    again = generate(dataclasses.replace(config, out=tmp_path / "again"), progress=False)
    assert again == report
    repeated = [episode.instruction for episode in EpisodeReader(tmp_path / "again").motions()]
    assert repeated == [episode.instruction for episode in episodes]
    other = dataclasses.replace(config, out=tmp_path / "other", seed=1, episodes_per_task=2)
    generate(other, progress=False)
    assert not {e.instruction for e in EpisodeReader(tmp_path / "other").motions()} & set(repeated)


def test_a_dropped_demonstration_is_remembered_by_the_checks_that_failed():
    verdict = "ok: goal: it was moved; asked: moved; failed: speed: 3; asked: slow, at most 2; ok: part: held"
    assert failed_checks(verdict) == "failed: speed: 3; asked: slow, at most 2"
    assert failed_checks("nothing was judged") == "nothing was judged"


@pytest.mark.parametrize(("suite", "tasks"), [("kinebench", (1, 2)), ("kine-realman", (0,))])
def test_tasks_of_another_suite_are_refused(tmp_path, suite, tasks):
    with pytest.raises(ValueError, match=r"suite .* and the tasks .* do not go together"):
        GenerateConfig(out=tmp_path, suite=suite, tasks=tasks)


def test_used_up_time_is_reported_as_not_complete(tmp_path, fake_simulator):
    report = generate(
        GenerateConfig(out=tmp_path, demonstration=FAKE, episodes_per_task=50, workers=1, max_minutes=1e-9),
        progress=False,
    )
    assert report.kept == 0
    assert "run the same command again" in report.text()


def test_expert_that_always_fails_stops_the_run_with_its_reason(tmp_path, fake_simulator):
    broken = DemonstrationConfig(environment_id=FAKE.environment_id, expert="fake_table:BrokenExpert")
    with pytest.raises(DataError, match="no way to the bread"):
        generate(GenerateConfig(out=tmp_path, demonstration=broken, workers=1), progress=False)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no_such_module_here:Expert", "PYTHONPATH"),
        ("json:NoSuchThing", "NoSuchThing"),
        ("json", "module:attribute"),
    ],
)
def test_missing_simulator_part_is_named(name, told):
    with pytest.raises(PluginError, match=told):
        load_object(name)
