"""Goal codes that several ways of doing a task share, and instructions exchanged between those ways."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from kinevla.data.episodes import EpisodeWriter
from kinevla.observation.images import ImagePipeline
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.samples import iterate_steps
from kinevla.training.shared_goal import same_goal, stage_shares
from kinevla.training.stages.policy import train_policy
from kinevla.training.state import STATE_NAME

from .conftest import SIZE, make_episode, started, stop_policy_at, tiny_run

SHARED: dict[str, object] = {"goal_motion": "shared", "prompt_exchange": 0.5}


def shared_run(workplace: Path, out: Path, **changes: object) -> PolicyTrainConfig:
    return tiny_run(workplace, out, **(SHARED | changes))


def test_tasks_with_one_goal_text_are_found() -> None:
    tasks = (("left", "move", "l"), ("right", "move", "r"), ("carrot", "place", "c"))
    assert same_goal(tasks).tolist() == [[True, True, False], [True, True, False], [False, False, True]]


def test_goal_codes_stand_for_the_mean_and_kinematics_codes_for_the_own_motion() -> None:
    tasks = (("left", "move", "l"), ("right", "move", "r"), ("carrot", "place", "c"))
    shares = torch.eye(3)
    staged = stage_shares(shares, tasks, goal_codes=1, codes=3, shared=True)
    assert staged.shape == (3, 3, 3)
    torch.testing.assert_close(
        staged[:, 0], torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    )
    for stage in (1, 2):
        torch.testing.assert_close(staged[:, stage], shares)
    assert torch.equal(stage_shares(shares, tasks, 1, 3, shared=False)[:, 0], shares)


def test_on_the_same_frame_instructions_with_one_goal_get_the_same_goal_codes(
    workplace: Path, tmp_path: Path
) -> None:
    # The same motion once for each of two instructions with the same goal: what they share is the same.
    writer = EpisodeWriter(tmp_path / "demos", {"made": "up"}, ImagePipeline(SIZE))
    for seed in range(6):
        for task in (1, 2):
            other = make_episode(task, seed)
            texts = {name: getattr(other, name) for name in ("task", "instruction", "coarse", "fine")}
            writer.add(dataclasses.replace(make_episode(1, seed), **texts))
    config = shared_run(workplace, tmp_path / "run", data=tmp_path / "demos")
    run = started(config).run
    # Of two equally near codes either may be chosen: what counts is the motion they stand for.
    goal = run.tokenizer.decode(run.data.codes[:, : run.tokenizer.goal_levels])
    first, second = (goal[run.data.task == task] for task in (0, 1))
    np.testing.assert_allclose(first, second, atol=1e-4)
    assert np.ptp(run.data.codes[:, run.tokenizer.goal_levels :], axis=0).max() > 0


def test_exchanged_samples_have_another_instruction_and_no_reasoning_loss(
    workplace: Path, tmp_path: Path
) -> None:
    config = shared_run(workplace, tmp_path / "run", prompt_exchange=1.0, variant_share=0.0)
    stage = started(config)
    part = next(iterate_steps(stage.samples, 0, 0))[0]
    data, vocabulary = stage.run.data, stage.run.builder.vocabulary
    exchanged = 0
    for ids, task, spoken in zip(part.tokens.ids, part.tokens.task, part.tokens.reasoning, strict=True):
        own = data.templates[int(task)][0]
        prompt_is_own = ids[: own.prompt_length].tolist() == own.ids[: own.prompt_length].tolist()
        if bool(spoken.any()):
            assert prompt_is_own, "a text is learned under its own instruction only"
        exchanged += not prompt_is_own
        # The answer, codes apart, is the task's own under every instruction.
        answer = [i for i in own.ids[own.prompt_length :].tolist() if i < vocabulary.code_start]
        written = [i for i in ids.tolist() if i < vocabulary.code_start and i != vocabulary.pad]
        assert written[-len(answer) :] == answer
    alone = sum(len(data.exchanged[int(task)]) == 0 for task in part.tokens.task)
    assert exchanged >= config.batch_size * 3 // 4 - alone > 0


def test_a_run_with_a_shared_goal_continues_where_it_stopped(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_policy(shared_run(workplace, tmp_path / "straight"))
    with monkeypatch.context() as patch:
        stop_policy_at(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            train_policy(shared_run(workplace, tmp_path / "parts"))
    train_policy(shared_run(workplace, tmp_path / "parts"))
    straight, parts = (
        torch.load(tmp_path / name / STATE_NAME, weights_only=True)["content"]["model"]
        for name in ("straight", "parts")
    )
    assert all(torch.equal(value, parts[name]) for name, value in straight.items())


@pytest.mark.parametrize(
    "changes",
    [{"readout": False}, {"freeze_geometry": False}],
    ids=["no readout", "geometry goes on learning"],
)
def test_a_shared_goal_without_what_it_is_read_from_is_refused(
    workplace: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="goal_motion 'shared' is read from the geometry tokens"):
        shared_run(workplace, tmp_path / "run", **changes)


def test_exchanged_instructions_without_reasoning_are_refused(workplace: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"prompt_exchange 0\.5 needs reasoning"):
        tiny_run(workplace, tmp_path / "run", prompt_exchange=0.5, reasoning=False)
