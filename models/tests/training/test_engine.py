"""The training engine with a toy stage: a line that is fitted to noisy points."""

from __future__ import annotations

import csv
import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kinevla.training import course
from kinevla.training.course import Budget, Schedule
from kinevla.training.engine import Engine, EngineConfig, Stage, step_seed
from kinevla.training.state import STATE_NAME, ResumeError, load_state, save_state


class Line(Stage):
    """Fits two numbers by gradient descent with momentum."""

    def __init__(self, max_steps: int | None = 10, stop_at: int | None = None, slope: float = 2.0) -> None:
        self.max_steps, self.stop_at, self.slope = max_steps, stop_at, slope
        self.weights = torch.zeros(2)
        self.rates: list[float] = []
        self.exported: list[tuple[str, dict[str, Any]]] = []

    def start(self, state: dict[str, Any] | None) -> None:
        self.weights.requires_grad_()
        self.optimiser = torch.optim.SGD([self.weights], lr=0.1, momentum=0.9)
        if state is not None:
            with torch.no_grad():
                self.weights.copy_(state["weights"])
            self.optimiser.load_state_dict(state["optimiser"])

    def step(self, number: int, rate: float) -> Mapping[str, Tensor]:
        if number == self.stop_at:
            raise KeyboardInterrupt
        self.rates.append(rate)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        x = torch.rand(8)
        loss = (self.weights[0] * x + self.weights[1] - self.slope * x - torch.randn(8) * 0.1).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"loss": loss.detach()}

    def validate(self) -> dict[str, float]:
        return {"error": float((self.weights[0] - self.slope).detach().abs())}

    def state(self) -> dict[str, Any]:
        return {"weights": self.weights.detach(), "optimiser": self.optimiser.state_dict()}

    def export(self, name: str, report: dict[str, Any]) -> None:
        self.exported.append((name, report))


def run(out: Path | None, *stages: Line, **changes: object) -> Engine:
    config = EngineConfig(
        out=out,
        identity={"sizes": {"width": 3}},
        columns=("stage", "step", "learning_rate", "loss", "samples_per_s", "val_error"),
        schedule=Schedule(0.1),
        seed=0,
        batch_size=8,
        max_minutes=None,
        log_every=2,
        save_every=1,
        progress=False,
    )
    engine = Engine(stages, dataclasses.replace(config, **changes))  # type: ignore[arg-type]
    engine.train()
    return engine


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "metrics.csv").open() as stream:
        return list(csv.DictReader(stream))


class Clock:
    """A monotonic clock that goes on by a second whenever it is read."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def monotonic(self) -> float:
        return float(next(self._ticks))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "time", Clock())


def test_a_run_does_the_steps_it_is_given() -> None:
    line = Line(max_steps=7)
    engine = run(None, line)
    assert (engine.budget.step, engine.complete, len(line.rates)) == (7, True, 7)


@pytest.mark.usefixtures("clock")
def test_a_run_ends_with_its_minutes_and_the_rate_with_them() -> None:
    line = Line(max_steps=None)
    engine = run(None, line, max_minutes=1.0)
    assert engine.complete and 60.0 <= engine.budget.used_s < 90.0
    assert 10 < engine.budget.step < 60
    assert line.rates[0] == pytest.approx(0.1, rel=0.02) and line.rates[-1] < 0.002
    assert line.rates == sorted(line.rates, reverse=True)


@pytest.mark.usefixtures("clock")
def test_minutes_interrupt_a_run_of_steps_which_then_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, parts = Line(max_steps=60), Line(max_steps=60)
    run(None, whole)
    engine = run(tmp_path, parts, max_minutes=1.0)
    assert not engine.complete and 0 < engine.budget.step < 60
    while not engine.complete:
        engine = run(tmp_path, parts, max_minutes=1.0)
    assert torch.equal(parts.weights, whole.weights)
    assert parts.rates == whole.rates
    assert engine.budget.used_s > 60.0


def test_even_too_little_time_is_good_for_a_step(tmp_path: Path) -> None:
    steps = [run(tmp_path, Line(), max_minutes=1e-9).budget.step for _ in range(3)]
    assert steps == [1, 2, 3]


def test_a_run_without_any_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="max_minutes or max_steps"):
        run(None, Line(max_steps=None))


def test_a_negative_time_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="max_minutes must be positive, got -1"):
        Budget(-1.0, None)


def test_the_learning_rate_warms_up_and_falls() -> None:
    cosine, constant = (Schedule(1.0, shape, 10, 0.1) for shape in ("cosine", "constant"))
    assert cosine.rate(0, 0.0) == pytest.approx(0.1)
    assert cosine.rate(10, 0.0) == pytest.approx(1.0)
    assert cosine.rate(99, 1.0) == pytest.approx(0.1)
    assert constant.rate(99, 1.0) == pytest.approx(1.0)


@pytest.mark.parametrize("stop", [1, 4, 9])
@pytest.mark.parametrize("save_every", [1, 3])
def test_a_run_that_was_stopped_and_continued_ends_with_the_same_weights_and_metrics(
    tmp_path: Path, stop: int, save_every: int
) -> None:
    whole, rest = Line(), Line()
    run(tmp_path / "whole", whole, save_every=save_every)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", Line(stop_at=stop), save_every=save_every)
    torch.rand(5)  # whatever else draws random numbers in between must not matter
    run(tmp_path / "parts", rest, save_every=save_every)
    assert torch.equal(rest.weights, whole.weights)
    assert [row["step"] for row in rows(tmp_path / "parts")] == ["2", "4", "6", "8", "10"]


@pytest.mark.parametrize("stop", [(3, None), (None, 2)], ids=["in the first", "in the second"])
def test_a_run_of_two_stages_is_continued_in_the_stage_it_was_stopped_in(
    tmp_path: Path, stop: tuple[int | None, int | None]
) -> None:
    whole = Line(6), Line(4, slope=-1.0)
    run(tmp_path / "whole", *whole)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", Line(6, stop[0]), Line(4, stop[1], slope=-1.0))
    rest = Line(6), Line(4, slope=-1.0)
    engine = run(tmp_path / "parts", *rest)
    assert (engine.number, engine.budget.step, engine.complete) == (2, 4, True)
    assert torch.equal(rest[1].weights, whole[1].weights)
    assert len(rest[0].rates) == (3 if stop[0] else 0)
    places = [(row["stage"], row["step"]) for row in rows(tmp_path / "parts")]
    assert places == [("1", "2"), ("1", "4"), ("1", "6"), ("2", "2"), ("2", "4")]


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    run(tmp_path, Line())
    again = Line()
    engine = run(tmp_path, again)
    assert engine.complete and engine.budget.step == 10 and not again.rates


def test_what_is_random_follows_from_seed_stage_and_step() -> None:
    first, again, other = Line(), Line(), Line()
    for line, seed in ((first, 0), (again, 0), (other, 1)):
        run(None, line, seed=seed)
    assert torch.equal(first.weights, again.weights)
    assert not torch.equal(first.weights, other.weights)
    seeds = {step_seed(seed, stage, step) for seed in range(3) for stage in (1, 2) for step in range(50)}
    assert len(seeds) == 300


def test_training_leaves_the_random_state_of_its_caller_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    run(None, Line())
    assert torch.equal(torch.rand(3), expected)


def test_metrics_are_means_since_the_row_before_and_figures_stand_where_they_were_measured(
    tmp_path: Path,
) -> None:
    run(tmp_path / "each", Line(), log_every=1)
    run(tmp_path / "pairs", Line(), val_every=4)
    each, pairs = rows(tmp_path / "each"), rows(tmp_path / "pairs")
    losses = [float(row["loss"]) for row in each]
    means = [sum(losses[first : first + 2]) / 2 for first in range(0, 10, 2)]
    assert [float(row["loss"]) for row in pairs] == pytest.approx(means, rel=1e-4)
    assert [bool(row["val_error"]) for row in pairs] == [False, True, False, True, True]
    assert float(pairs[0]["samples_per_s"]) > 0.0
    assert (tmp_path / "pairs" / "metrics.png").is_file()
    assert not (tmp_path / "each" / "metrics.png").exists()


def test_the_last_and_the_best_are_exported_with_their_figures() -> None:
    line = Line()
    engine = run(None, line, val_every=5, best_by="error")
    names = [(name, report["step"]) for name, report in line.exported]
    assert names[:2] == [("last", 5), ("best", 5)] and ("last", 10) in names
    errors = [report["error"] for name, report in line.exported if name == "last"]
    assert engine.best == min(errors) and engine.figures == {"error": errors[-1]}


def test_a_run_with_other_settings_is_not_continued(tmp_path: Path) -> None:
    run(tmp_path, Line())
    with pytest.raises(ResumeError, match=r"holds a run with sizes\.width = 3, asked for 4: use another"):
        run(tmp_path, Line(), identity={"sizes": {"width": 4}})


def test_a_damaged_state_is_refused_by_name(tmp_path: Path) -> None:
    run(tmp_path, Line())
    path = tmp_path / STATE_NAME
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ResumeError, match=r"trainer\.pt is damaged"):
        run(tmp_path, Line())


@pytest.mark.parametrize("name", [STATE_NAME, "progress.pt"])
def test_a_state_of_an_earlier_version_is_refused_by_name(tmp_path: Path, name: str) -> None:
    torch.save({"identity": {}, "step": 3, "model": {}}, tmp_path / name)
    with pytest.raises(ResumeError, match=rf"{name} is of a training by an earlier version.*delete the file"):
        run(tmp_path, Line())


def test_a_state_whose_writing_fails_leaves_the_one_before(tmp_path: Path) -> None:
    save_state(tmp_path, {"identity": {}, "step": 1})

    class Unpicklable:
        def __reduce__(self) -> tuple[object, ...]:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_state(tmp_path, {"weights": torch.zeros(100_000), "bad": Unpicklable()})
    state = load_state(tmp_path, {})
    assert state is not None and state["step"] == 1
