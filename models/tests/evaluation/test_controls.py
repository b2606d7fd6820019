"""What each control makes of the shipped policy, on made-up pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kinevla.checkpoint import CheckpointParts, load_checkpoint
from kinevla.evaluation.controllers import ControllerConfig, ControllerError, Start, make_controller
from kinevla.evaluation.wordings import training_sentences
from kinevla.policy import InstructionError, KineVLAPolicy
from kinevla.text import load_task_texts
from kinevla.text.similarity import nearest_sentence
from kinevla.understanding import NOT_UNDERSTOOD

NANO = Path(__file__).parents[2] / "checkpoints" / "nano"
TASKS = load_task_texts("kine_realman")
STATE = np.array([0.0, 0.35, 0.0, 1.2, 0.0, 1.5, 0.0, 1.0])


@pytest.fixture(scope="module")
def parts() -> CheckpointParts:
    return load_checkpoint(NANO)


class Sure(KineVLAPolicy):
    """Writes what it was taught of a sentence, whatever made-up picture it sees; it moves by the picture."""

    def plan(self, observation, instruction, previous=None, forced_reasoning=None):
        taught = {task.instruction: (task.coarse, task.fine) for task in TASKS}
        own = taught.get(self.check_instruction(instruction), (None, None))
        forced = tuple(a if a is not None else b for a, b in zip(forced_reasoning or own, own, strict=True))
        return super().plan(observation, instruction, previous, forced)


@pytest.fixture(scope="module")
def nano(parts: CheckpointParts) -> KineVLAPolicy:
    return Sure(parts)


@pytest.fixture
def build(fake_simulator, nano, monkeypatch):
    """Build a control of the shipped policy, which is loaded once for all tests."""
    monkeypatch.setattr(KineVLAPolicy, "load", lambda directory, threads=None: nano)
    return lambda control: make_controller(
        ControllerConfig(control=control, checkpoint=NANO, environment_id="fake_table:fake/Table-v0")
    )


def begin(controller, task: int, instruction: str | None = None, seed: int = 5) -> None:
    own = TASKS[task - 1]
    texts = (own.coarse, own.fine)
    controller.start(Start(task, seed, instruction or own.instruction, texts, None, 0.1))


def picture(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    front, wrist = (rng.integers(0, 256, (240, 240, 3), dtype=np.uint8) for _ in range(2))
    return {"front": front, "wrist": wrist, "state": STATE}


def test_a_blind_policy_moves_alike_whatever_is_there(build):
    blind, seeing = build("blind"), build("none")
    chunks = []
    for controller in (blind, seeing):
        for seed in (1, 2):
            begin(controller, 5)
            chunks.append(controller.decide(picture(seed), 0).actions)
    assert np.array_equal(chunks[0], chunks[1])
    assert not np.allclose(chunks[2], chunks[3], atol=1e-3)


def test_told_the_goal_alone_all_ways_of_doing_it_are_one(build):
    controller = build("goal-only")
    decisions = []
    for task in (4, 6):
        begin(controller, task)
        decisions.append(controller.decide(picture(1), 0))
    assert np.array_equal(decisions[0].actions, decisions[1].actions)
    assert decisions[0].goal_text == TASKS[3].coarse and decisions[0].kinematics_text == ""


def test_shuffled_reasoning_is_another_instructions_and_stays_for_the_trial(build):
    controller = build("shuffled")
    fine = set()
    for seed in range(6):
        begin(controller, 1, seed=seed)
        said = [controller.decide(picture(step), step) for step in range(2)]
        assert said[0].kinematics_text == said[1].kinematics_text
        assert said[0].goal_text == TASKS[0].coarse
        fine.add(said[0].kinematics_text)
    assert len(fine) > 1 and fine <= {task.fine for task in TASKS[1:]}


def test_the_lookup_moves_without_the_decoder_by_what_it_sees(build, nano, monkeypatch):
    controller = build("lookup")
    begin(controller, 5)

    def silent(*args, **kwargs):
        raise AssertionError("the decoder was asked")

    monkeypatch.setattr(nano.parts.model.language_model.model, "forward", silent)
    for layer in nano.parts.model.language_model.model.layers:
        monkeypatch.setattr(layer.self_attn.q_proj, "forward", silent)
    first, second = (controller.decide(picture(seed), 0) for seed in (1, 2))
    assert first.actions.shape == (5, 8) and first.goal_text == first.kinematics_text == ""
    assert not np.allclose(first.actions, second.actions, atol=1e-3)


def test_the_lookup_takes_any_sentence_for_its_nearest_one(build):
    controller = build("lookup")
    chunks = []
    for sentence in (
        "pick up the bread and move it, as ever, to the front",
        TASKS[2].instruction,
        TASKS[3].instruction,
    ):
        begin(controller, 3, sentence)
        chunks.append(controller.decide(picture(1), 0).actions)
    assert np.array_equal(chunks[0], chunks[1])
    assert not np.allclose(chunks[0], chunks[2], atol=1e-3)


def test_the_lookup_takes_a_paraphrase_for_its_instruction(build):
    instructions = [task.instruction for task in TASKS]
    # A wording of training whose words are nearer to another instruction than to its own.
    wording, own = next(
        (wording, instruction)
        for wording, instruction in training_sentences(NANO).items()
        if nearest_sentence(wording, instructions) != instruction
    )
    task = 1 + instructions.index(own)
    controller = build("lookup")
    chunks = []
    for sentence in (wording.upper(), own, nearest_sentence(wording, instructions)):
        begin(controller, task, sentence)
        chunks.append(controller.decide(picture(1), 0).actions)
    assert np.array_equal(chunks[0], chunks[1])
    assert not np.allclose(chunks[0], chunks[2], atol=1e-3)


def test_without_a_readout_the_lookup_forces_what_was_said_of_the_nearest_sentence(build, monkeypatch):
    parts = load_checkpoint(NANO)
    parts.model.readout = None
    policy = Sure(parts)
    monkeypatch.setattr(KineVLAPolicy, "load", lambda directory, threads=None: policy)
    controller = build("lookup")
    begin(controller, 4, "carrot, upper part, plate, left")
    decision = controller.decide(picture(1), 0)
    assert (decision.goal_text, decision.kinematics_text) == (TASKS[4].coarse, TASKS[4].fine)
    assert torch.isfinite(torch.from_numpy(decision.actions)).all()


def test_a_checkpoint_that_does_not_tell_its_sentences_cannot_be_looked_up(build, monkeypatch):
    monkeypatch.setattr("kinevla.evaluation.lookup.training_sentences", lambda checkpoint: {})
    with pytest.raises(ControllerError, match="does not tell its training sentences"):
        build("lookup")


@pytest.fixture
def doubting(build, parts, monkeypatch):
    """Build a control of a policy that is never sure enough."""
    policy = Sure(replace(parts, doubt_limit_nat=-1.0))
    monkeypatch.setattr(KineVLAPolicy, "load", lambda directory, threads=None: policy)
    return build


def test_the_policy_refuses_at_its_first_look_what_it_did_not_understand(doubting):
    controller = doubting("none")
    begin(controller, 5)
    for _ in range(2):
        with pytest.raises(InstructionError, match=f"{NOT_UNDERSTOOD}: the policy is not sure"):
            controller.decide(picture(1), 0)


@pytest.mark.parametrize("control", ["goal-only", "shuffled", "blind", "lookup"])
def test_controls_move_whatever_is_understood(doubting, control):
    controller = doubting(control)
    begin(controller, 5)
    assert controller.decide(picture(1), 0).actions.shape == (5, 8)


def test_a_goal_that_becomes_unclear_on_the_way_stops_the_policy(build, nano, monkeypatch):
    controller = build("none")
    begin(controller, 5)
    controller.decide(picture(1), 0)
    plan = nano.plan

    def lost(*args, **kwargs):
        return replace(plan(*args, **kwargs), unclear="the thing it names is not seen")

    monkeypatch.setattr(nano, "plan", lost)
    with pytest.raises(InstructionError, match="the thing it names is not seen"):
        controller.decide(picture(2), 5)
