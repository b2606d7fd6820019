"""A policy says whether it understood a sentence before anything moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinevla.checkpoint import CheckpointParts, load_checkpoint
from kinevla.policy import InstructionError, KineVLAPolicy, Observation, Plan
from kinevla.text import load_task_texts
from kinevla.text.unclear import UNCLEAR
from kinevla.understanding import NOT_UNDERSTOOD, Understanding, clauses, unclear

from .conftest import SENTENCE

TASKS = load_task_texts("kine_realman")
TEXTS = tuple((task.instruction, task.coarse, task.fine) for task in TASKS)
LEFT, RIGHT = TASKS[0], TASKS[1]
CARROT = TASKS[3]
ASKED = "move the bread to the left, in front"


@pytest.fixture(scope="module")
def understanding() -> Understanding:
    return Understanding(TEXTS, 1.5)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: str(task.number))
def test_what_was_taught_is_understood(understanding: Understanding, task) -> None:
    understanding.check("whatever was said", task.coarse, task.fine, 1.5)


@pytest.mark.parametrize("name", sorted(UNCLEAR))
def test_what_the_network_says_is_unclear_is_refused_with_the_reason(
    understanding: Understanding, name: str
) -> None:
    says = {
        "sentence": "what is meant", "action": "what to do", "thing": "which thing", "part": "which part",
        "place": "where the thing shall go", "absent": "is not seen",
    }  # fmt: skip
    with pytest.raises(InstructionError, match=rf"{ASKED!r} {NOT_UNDERSTOOD}: .*{says[name]}"):
        understanding.check(ASKED, UNCLEAR[name], "", 0.0)


def test_a_goal_that_was_never_taught_is_refused(understanding: Understanding) -> None:
    with pytest.raises(InstructionError, match=r"made 'move the plate' of it, which is no goal it knows"):
        understanding.check(ASKED, "move the plate", LEFT.fine, 0.0)


def test_one_statement_that_was_never_taught_is_refused_and_quoted(understanding: Understanding) -> None:
    odd = "Target Object - The plate;"
    fine = LEFT.fine.replace("Target Object - The bread;", odd)
    with pytest.raises(InstructionError, match=rf"made {odd!r} of it, which it has not learned"):
        understanding.check(ASKED, LEFT.coarse, fine, 0.0)


def test_statements_of_several_tasks_may_stand_together(understanding: Understanding) -> None:
    mixed = " ".join([*clauses(LEFT.fine)[:-1], clauses(RIGHT.fine)[-1]])
    assert mixed not in {task.fine for task in TASKS}
    understanding.check(ASKED, LEFT.coarse, mixed, 0.0)


def test_more_doubt_than_the_limit_is_refused_and_both_are_told(understanding: Understanding) -> None:
    with pytest.raises(InstructionError, match=r"not sure of what it understood \(1\.6 nat, limit 1\.5\)"):
        understanding.check(ASKED, LEFT.coarse, LEFT.fine, 1.6)
    Understanding(TEXTS, float("inf")).check(ASKED, LEFT.coarse, LEFT.fine, 99.0)


def test_the_refusal_names_the_nearest_sentence_it_knows(understanding: Understanding) -> None:
    for sentence, task in (
        (ASKED, LEFT),
        ("lift the carrot by its upper end, right side of a plate", CARROT),
    ):
        with pytest.raises(InstructionError, match=rf"the nearest sentence it knows: {task.instruction!r}$"):
            understanding.check(sentence, UNCLEAR["sentence"], "", 0.0)


def test_a_known_sentence_that_is_refused_is_not_offered_again(understanding: Understanding) -> None:
    with pytest.raises(
        InstructionError, match=r"not seen; it knows the sentence itself: what it sees does not"
    ):
        understanding.check(LEFT.instruction, UNCLEAR["absent"], "", 0.0)


def test_a_policy_without_texts_refuses_by_what_is_unclear_and_by_doubt_alone() -> None:
    bare = Understanding((), 1.0)
    bare.check(ASKED, "", "", 0.5)
    with pytest.raises(InstructionError, match=rf"{NOT_UNDERSTOOD}: [^;]*$"):
        bare.check(ASKED, UNCLEAR["thing"], "", 0.0)


def test_no_goal_reads_as_unclear() -> None:
    assert all(unclear(text) for text in UNCLEAR.values())
    assert not any(unclear(task.coarse) for task in TASKS) and unclear("") == ""


def look() -> Observation:
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    return Observation(images[0], images[1], np.zeros(8))


@pytest.fixture
def loaded(checkpoint: Path) -> CheckpointParts:
    return load_checkpoint(checkpoint)


def taught(parts: CheckpointParts, plan: Plan, limit: float) -> KineVLAPolicy:
    """The policy as if what it wrote were what it was taught."""
    texts = ((SENTENCE, plan.goal_text, plan.kinematics_text),)
    return KineVLAPolicy(replace(parts, texts=texts, doubt_limit_nat=limit))


def test_an_untrained_policy_understands_nothing_but_still_plans(loaded: CheckpointParts) -> None:
    policy = KineVLAPolicy(loaded)
    assert policy.plan(look(), SENTENCE).actions.shape == (5, 8)
    with pytest.raises(InstructionError, match=rf"{SENTENCE!r} {NOT_UNDERSTOOD}: the policy made .* of it"):
        policy.understand(look(), SENTENCE)


def test_understanding_hands_over_the_plan_it_judged(loaded: CheckpointParts) -> None:
    plan = KineVLAPolicy(loaded).plan(look(), SENTENCE)
    understood = taught(loaded, plan, plan.doubt_nat + 0.01).understand(look(), SENTENCE.upper() + " !")
    assert understood.draft == plan.draft
    np.testing.assert_array_equal(understood.actions, plan.actions)


def test_a_sentence_that_is_suddenly_read_otherwise_is_not_followed_any_more(loaded: CheckpointParts) -> None:
    plan = KineVLAPolicy(loaded).plan(look(), SENTENCE)
    policy = taught(loaded, plan, float("inf"))
    assert policy.plan(look(), SENTENCE, plan).unclear == ""
    another = replace(plan, kinematics_text=RIGHT.fine)
    assert policy.plan(look(), SENTENCE, another).unclear.endswith(f"where it read {RIGHT.fine!r} before")
    # A person's text is a person's choice.
    forced = (plan.goal_text or None, "move the bread")
    assert policy.plan(look(), SENTENCE, another, forced).unclear.count("before") == 0


def test_the_limit_of_the_checkpoint_decides(loaded: CheckpointParts) -> None:
    plan = KineVLAPolicy(loaded).plan(look(), SENTENCE)
    assert plan.doubt_nat > 0.1
    with pytest.raises(InstructionError, match=rf"is not sure .*\({plan.doubt_nat:.1f} nat, limit"):
        taught(loaded, plan, plan.doubt_nat - 0.01).understand(look(), SENTENCE)


def test_every_plan_says_which_of_its_texts_was_never_taught(loaded: CheckpointParts) -> None:
    plan = KineVLAPolicy(loaded).plan(look(), SENTENCE)
    assert "which is no goal it knows" in plan.unclear
    assert taught(loaded, plan, 0.0).plan(look(), SENTENCE).unclear == ""
    other = KineVLAPolicy(replace(loaded, texts=((SENTENCE, plan.goal_text, "Never written;"),)))
    assert "which it has not learned" in other.plan(look(), SENTENCE).unclear


def test_forced_reasoning_leaves_no_doubt(loaded: CheckpointParts) -> None:
    plan = KineVLAPolicy(loaded).plan(look(), SENTENCE, forced_reasoning=("move the bread", "to the front"))
    assert (plan.goal_text, plan.doubt_nat) == ("move the bread", 0.0)


def test_an_instruction_of_no_words_is_refused_before_the_network_looks(loaded: CheckpointParts) -> None:
    with pytest.raises(InstructionError, match="holds no words"):
        KineVLAPolicy(loaded).understand(look(), "?!")
