"""Times plans: plain greedy against reuse of the previous reasoning, side by side in one run.

Three times are reported (per forward pass, per chunk from camera frames to joint targets, amortised per
action), with what each part of a chunk takes. Variants alternate within every repetition in random order, so
that whatever else the machine does strikes all alike; the generator and the policy synchronise a GPU before
they read a clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kinevla.bench.dictation import corrupt, count_positions, made_up_answer
from kinevla.bench.memory import count_parameters
from kinevla.bench.statistics import Ratio, Spread, ratio_of_medians
from kinevla.bench.subjects import Subject
from kinevla.generation.draft import Draft
from kinevla.policy import Observation, Plan

PLAIN = "plain"
# In the order of a chunk. The first decoder pass checks the first text of a draft together with the prefill.
PHASES = (
    "preprocessing",
    "vision",
    "prefill",
    "verification",
    "decoding",
    "codes",
    "action decoder",
    "other",
)
_PASS_PHASE = {"prefill": "prefill", "verify": "verification", "decode": "decoding", "read": "codes"}


@dataclass(frozen=True)
class Variant:
    """A way of answering."""

    name: str
    # right share of the draft's reasoning; None for no draft. A policy that is not dictated takes its
    # previous plan as it is, whatever the share
    draft_share: float | None = None


def variants_of(subject: Subject) -> tuple[Variant, ...]:
    """Return what to compare: one kind of reuse for real weights, three shares for random ones."""
    if subject.text_tokens is None:
        return Variant(PLAIN), Variant("reuse", 1.0)
    return (Variant(PLAIN), *(Variant(f"reuse {share:.0%}", share) for share in (1.0, 0.5, 0.0)))


@dataclass(frozen=True)
class Sample:
    """One timed plan."""

    chunk_s: float  # seconds from camera frames to joint targets
    phases_s: dict[str, float]  # the same by `PHASES`
    passes_s: dict[str, list[float]]  # seconds of each decoder pass, and of each reading of codes, by kind
    reused: int  # ids taken over from the draft
    written: int

    @property
    def passes(self) -> int:
        """Decoder passes and readings of codes."""
        return sum(len(values) for values in self.passes_s.values())

    @property
    def pass_s(self) -> float:
        """Mean seconds of one of them."""
        return sum(sum(values) for values in self.passes_s.values()) / self.passes


@dataclass(frozen=True)
class VariantFigures:
    """What was measured of a variant; all times in seconds."""

    chunk_s: Spread  # camera frames in, joint targets out
    action_s: Spread  # the same divided by the actions of a chunk
    pass_s: Spread  # mean time of a decoder pass
    kind_s: dict[str, Spread]  # time of a pass by kind ('prefill', 'verify', 'decode'), where there were any
    phases_s: dict[str, float]  # median share of each of `PHASES` in a chunk
    passes: float  # median number of decoder passes and readings of codes
    accepted_share: float  # ids taken over from the draft among all written ids, over all repetitions
    same_answer: int  # repetitions in which the ids were those of plain greedy decoding


@dataclass(frozen=True)
class Figures:
    """A finished measurement."""

    subject: str
    parameters: int
    observation_tokens: int
    text_tokens: int  # ids of both reasoning texts together (median)
    horizon: int
    repetitions: int  # timed plans of each variant
    dictated: bool  # answers were dictated (random weights)
    variants: dict[str, VariantFigures]  # figures by name; the first is 'plain'
    ratios: dict[str, Ratio]  # how many times faster than 'plain' per chunk, by name


@dataclass
class _Record:
    samples: list[Sample] = field(default_factory=list)
    same: int = 0


def measure(
    subject: Subject,
    observations: Iterator[Observation],
    repetitions: int,
    *,
    warmup: int = 3,
    seed: int = 0,
) -> Figures:
    """Time all variants of a subject; the seed decides on their order and on dictated answers.

    Raises:
        ValueError: fewer than one repetition.
    """
    if repetitions < 1 or warmup < 0:
        raise ValueError(f"need at least 1 repetition and 0 for warming up, got {repetitions} and {warmup}")
    rng = np.random.default_rng(seed)
    variants = variants_of(subject)
    records = {variant.name: _Record() for variant in variants}
    lengths: list[int] = []
    _dictate(subject, rng)
    previous = subject.policy.plan(next(observations), subject.instruction)
    for repetition in range(-warmup, repetitions):
        observation, told = next(observations), _dictate(subject, rng)
        plans: dict[str, Plan] = {}
        for index in rng.permutation(len(variants)):
            variant = variants[index]
            draft = _draft(subject, variant, previous, told)
            plan, sample = _timed(subject, observation, draft)
            plans[variant.name] = plan
            if repetition >= 0:
                records[variant.name].samples.append(sample)
        previous = plans[PLAIN]
        if repetition >= 0:
            lengths.append(len(previous.draft.goal_text) + len(previous.draft.kinematics_text))
            for name, plan in plans.items():
                records[name].same += plan.draft == previous.draft
    chunk_s = {name: [s.chunk_s for s in record.samples] for name, record in records.items()}
    return Figures(
        subject=subject.name,
        parameters=count_parameters(subject.parts.model),
        observation_tokens=count_positions(subject.parts.model),
        text_tokens=round(float(np.median(lengths))),
        horizon=subject.policy.horizon,
        repetitions=repetitions,
        dictated=subject.text_tokens is not None,
        variants={name: _figures(record, subject.policy.horizon) for name, record in records.items()},
        ratios={
            name: ratio_of_medians(chunk_s[PLAIN], times) for name, times in chunk_s.items() if name != PLAIN
        },
    )


def _dictate(subject: Subject, rng: np.random.Generator) -> Draft | None:
    """Fix the next answer where answers are dictated."""
    if subject.text_tokens is None:
        return None
    ids, told = made_up_answer(subject.grammar, subject.text_tokens, subject.text_ids, rng)
    subject.generator.dictate(ids)
    return told


def _draft(subject: Subject, variant: Variant, previous: Plan, told: Draft | None) -> Plan | None:
    if variant.draft_share is None:
        return None
    if told is None:
        return previous
    return replace(previous, draft=corrupt(told, variant.draft_share, subject.text_ids))


def _timed(subject: Subject, observation: Observation, draft: Plan | None) -> tuple[Plan, Sample]:
    begin = time.perf_counter()
    plan = subject.policy.plan(observation, subject.instruction, draft)
    chunk_s = time.perf_counter() - begin
    answer = subject.generator.last
    assert answer is not None, "the policy has another generator"
    passes_s: dict[str, list[float]] = {}
    for item in answer.passes:
        passes_s.setdefault(item.kind, []).append(item.seconds)
    phases = dict.fromkeys(PHASES, 0.0)
    for kind, values in passes_s.items():
        phases[_PASS_PHASE[kind]] = sum(values)
    phases["preprocessing"] = chunk_s - plan.latency_s["total"]
    phases["vision"] = plan.latency_s["vision"]
    phases["action decoder"] = plan.latency_s["action_decoder"]
    phases["other"] = chunk_s - sum(phases.values())
    return plan, Sample(chunk_s, phases, passes_s, plan.tokens_reused, len(answer.ids))


def _figures(record: _Record, horizon: int) -> VariantFigures:
    samples: Sequence[Sample] = record.samples
    kinds = [kind for kind in _PASS_PHASE if any(kind in sample.passes_s for sample in samples)]
    return VariantFigures(
        chunk_s=Spread.of([s.chunk_s for s in samples]),
        action_s=Spread.of([s.chunk_s / horizon for s in samples]),
        pass_s=Spread.of([s.pass_s for s in samples]),
        kind_s={k: Spread.of([v for s in samples for v in s.passes_s.get(k, ())]) for k in kinds},
        phases_s={phase: float(np.median([s.phases_s[phase] for s in samples])) for phase in PHASES},
        passes=float(np.median([s.passes for s in samples])),
        accepted_share=sum(s.reused for s in samples) / sum(s.written for s in samples),
        same_answer=record.same,
    )
