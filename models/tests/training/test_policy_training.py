from __future__ import annotations

import csv
import dataclasses
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from kinevla.backbone.lora import trainable_parameters
from kinevla.checkpoint import load_checkpoint
from kinevla.data.episodes import EpisodeWriter
from kinevla.observation.images import ImagePipeline
from kinevla.training.policy_run import prepare_run
from kinevla.training.samples import iterate_steps
from kinevla.training.stages.policy import train_policy
from kinevla.training.state import STATE_NAME, ResumeError
from kinevla.training.validation import validate

from .conftest import SIZE, TINY, make_episode, started, stop_policy_at, tiny_run


def weights_of(directory: Path) -> dict[str, torch.Tensor]:
    """What is trained and the running mean of it."""
    state = torch.load(directory / STATE_NAME, weights_only=True)["content"]
    mean = {f"mean of {name}": value for name, value in state["average"].items()}
    return state["model"] | mean


def test_a_run_stopped_halfway_and_continued_ends_with_the_same_weights(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_policy(tiny_run(workplace, tmp_path / "straight"))
    stopped = tiny_run(workplace, tmp_path / "stopped")
    with monkeypatch.context() as patch:
        stop_policy_at(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            train_policy(stopped)
    train_policy(stopped)
    straight, continued = weights_of(tmp_path / "straight"), weights_of(tmp_path / "stopped")
    assert set(straight) == set(continued)
    for name, value in straight.items():
        assert torch.equal(value, continued[name]), name


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    workplace: Path, tmp_path: Path
) -> None:
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        train_policy(tiny_run(workplace, tmp_path / name, seed=seed, max_steps=2))
    first, again, other = (weights_of(tmp_path / name) for name in ("first", "again", "other"))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())


def test_every_loss_term_is_in_the_metrics_file(workplace: Path, tmp_path: Path) -> None:
    train_policy(tiny_run(workplace, tmp_path / "run"))
    with (tmp_path / "run" / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4]
    for row in rows:
        total = 0.5 * float(row["loss_reasoning"]) + float(row["loss_action"])
        total += 0.1 * float(row["loss_coupling"])
        assert float(row["loss"]) == pytest.approx(total, rel=1e-4)
        assert float(row["loss_coupling"]) > 0.0
    assert rows[-1]["val_joint_l1_mrad"] and rows[-1]["val_code4_accuracy"]


@pytest.mark.parametrize(
    ("setting", "column"),
    [
        ({"coupling_weight": 0.0}, "loss_coupling"),
        ({"reasoning_loss": False}, "loss_reasoning"),
        ({"action_loss": False}, "loss_action"),
    ],
)
def test_each_loss_term_can_be_switched_off(
    workplace: Path, tmp_path: Path, setting: dict[str, object], column: str
) -> None:
    train_policy(tiny_run(workplace, tmp_path / "run", max_steps=1, **setting))
    with (tmp_path / "run" / "metrics.csv").open() as stream:
        row = next(csv.DictReader(stream))
    for name in ("loss_reasoning", "loss_action", "loss_coupling"):
        assert (float(row[name]) == 0.0) == (name == column), name


def test_the_metrics_are_drawn(workplace: Path, tmp_path: Path) -> None:
    train_policy(tiny_run(workplace, tmp_path / "run", max_steps=2))
    picture = (tmp_path / "run" / "metrics.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 10_000


def test_the_papers_schedule_keeps_the_learning_rate_from_the_first_step(
    workplace: Path, tmp_path: Path
) -> None:
    recipe = {"schedule": "constant", "warmup_steps": 0, "learning_rate": 5e-4}
    train_policy(tiny_run(workplace, tmp_path / "run", max_steps=2, **recipe))
    with (tmp_path / "run" / "metrics.csv").open() as stream:
        assert [float(row["learning_rate"]) for row in csv.DictReader(stream)] == [5e-4] * 2


@pytest.mark.parametrize("head", ["codes", "flow"])
def test_a_batch_in_two_parts_gives_the_gradient_of_the_whole(
    workplace: Path, tmp_path: Path, head: str
) -> None:
    """Without coupling, which compares samples of a part, and flow loss, which draws noise per part."""
    gradients = []
    for accumulation in (1, 2):
        config = tiny_run(
            workplace, tmp_path / str(accumulation), accumulation=accumulation, coupling_weight=0.0,
            action_head=head, action_loss=head == "codes", clip=1e9, reasoning_loss_fraction=0.3,
        )  # fmt: skip
        stage = started(config)
        kept: dict[str, torch.Tensor] = {}
        for name, parameter in trainable_parameters(stage.run.model).items():
            parameter.register_post_accumulate_grad_hook(
                lambda p, name=name, kept=kept: kept.__setitem__(name, p.grad.clone())
            )
        stage.step(0, rate=0.0)
        gradients.append(kept)
    whole, parts = gradients
    assert set(whole) == set(parts) and len(whole) > 20
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-3, atol=1e-6, msg=name)


@pytest.mark.parametrize(("batch", "accumulation"), [(16, 3), (6, 4)])
def test_a_batch_that_cannot_be_divided_is_refused(
    workplace: Path, tmp_path: Path, batch: int, accumulation: int
) -> None:
    with pytest.raises(ValueError, match=f"batch_size {batch} .*{accumulation} accumulation"):
        train_policy(
            tiny_run(workplace, tmp_path / "run", batch_size=batch, accumulation=accumulation, max_steps=1)
        )


def test_batches_prepared_ahead_by_workers_are_the_same(workplace: Path, tmp_path: Path) -> None:
    config = tiny_run(workplace, tmp_path / "run", accumulation=2)
    samples = started(config).samples
    for here, ahead in zip(
        islice(iterate_steps(samples, 5, workers=0), 2),
        islice(iterate_steps(samples, 5, workers=1), 2),
        strict=True,
    ):
        for one, other in zip(here, ahead, strict=True):
            assert torch.equal(one.tokens.ids, other.tokens.ids)
            assert all(map(torch.equal, one.inputs, other.inputs))
            assert one.writing.sentences == other.writing.sentences
            assert torch.equal(one.writing.ids, other.writing.ids)
            assert one.positions == other.positions and one.seed == other.seed


def test_a_run_with_other_settings_is_not_continued(workplace: Path, tmp_path: Path) -> None:
    train_policy(tiny_run(workplace, tmp_path / "run", max_steps=1))
    with pytest.raises(ResumeError, match="batch_size = 16, asked for 8"):
        train_policy(tiny_run(workplace, tmp_path / "run", max_steps=1, batch_size=8))
    wider = dataclasses.replace(TINY.decoder, intermediate_size=64)
    with pytest.raises(ResumeError, match=r"decoder.intermediate_size = 128, asked for 64"):
        train_policy(tiny_run(workplace, tmp_path / "run", max_steps=1, decoder=wider))


def test_a_run_on_other_data_is_not_continued(workplace: Path, tmp_path: Path) -> None:
    train_policy(tiny_run(workplace, tmp_path / "run", max_steps=1))
    shutil.copytree(workplace / "demos", tmp_path / "demos")
    EpisodeWriter(tmp_path / "demos", {"made": "up"}, ImagePipeline(SIZE)).add(make_episode(5, 77))
    with pytest.raises(ResumeError, match="holds a run with data = "):
        train_policy(tiny_run(workplace, tmp_path / "run", max_steps=1, data=tmp_path / "demos"))


def test_a_damaged_state_is_refused_by_name(workplace: Path, tmp_path: Path) -> None:
    config = tiny_run(workplace, tmp_path / "run", max_steps=1)
    train_policy(config)
    state = tmp_path / "run" / STATE_NAME
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(ResumeError, match=r"trainer.pt is damaged"):
        train_policy(config)


def test_a_tiny_model_learns_thirty_two_samples_by_heart(workplace: Path, tmp_path: Path) -> None:
    # Wide enough to tell 32 pictures of noise apart.
    config = tiny_run(
        workplace, tmp_path / "run", batch_size=32, variant_share=0.0, unclear_share=0.0, absent_share=0.0,
        state_noise=0.0, light=None, weight_decay=0.0, reasoning_loss_fraction=1.0, keyframe_weight=0.0,
        motion=dataclasses.replace(TINY.readout, width=64),
    )  # fmt: skip
    run = prepare_run(config)
    run.layout.data = dataclasses.replace(run.data, train=run.data.train[::4][:32])
    stage = started(config, run)
    losses = [float(stage.step(number, rate=4e-3)["loss_action"]) for number in range(160)]
    assert losses[-1] < 0.2 * losses[0]
    figures = validate(run, run.data.train)
    assert figures["code1_accuracy"] > 0.8
    assert figures["reasoning_accuracy"] > 0.95
    assert figures["joint_l1_mrad"] < 1.5 * figures["joint_l1_tokenizer_mrad"]
    assert figures["words_moved_mrad"] > 0.0 and figures["words_nearer"] > 0.5


def test_every_parameter_that_is_trained_gets_a_gradient(workplace: Path, tmp_path: Path) -> None:
    stage = started(tiny_run(workplace, tmp_path / "run"))
    reached: set[str] = set()
    for name, parameter in trainable_parameters(stage.run.model).items():
        parameter.register_post_accumulate_grad_hook(
            lambda p, name=name: reached.add(name) if bool(p.grad.any()) else None
        )
    stage.step(0, rate=0.0)
    assert reached == {name for name, _ in stage.run.model.named_parameters()}


def test_a_policy_can_be_the_start_of_another(workplace: Path, tmp_path: Path) -> None:
    train_policy(tiny_run(workplace, tmp_path / "first", max_steps=2))
    begun = prepare_run(tiny_run(workplace, tmp_path / "second", start=tmp_path / "first" / "last"))
    first = load_checkpoint(tmp_path / "first" / "last").model.state_dict()
    for name, value in begun.model.state_dict().items():
        assert torch.equal(value, first[name]), name
    config = tiny_run(workplace, tmp_path / "third", start=tmp_path / "first" / "last", reasoning=False)
    assert prepare_run(config).model.readout is None


def test_without_a_readout_codes_are_left_to_the_output_head(workplace: Path, tmp_path: Path) -> None:
    config = tiny_run(workplace, tmp_path / "run", readout=False, max_steps=2)
    run = prepare_run(config)
    assert run.model.readout is None and run.spelling is None
    assert np.isfinite(train_policy(config)["joint_l1_mrad"])
