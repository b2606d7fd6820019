"""Reasoning texts of new instructions follow the annotated tasks, or the sentence is refused."""

from __future__ import annotations

import re

import pytest

from kinevla.cli.main import main
from kinevla.data.identity import texts_for
from kinevla.text.annotate import PATTERNS, AnnotationError, annotate
from kinevla.text.corpus import TaskTexts, load_task_texts

# The one text of the tables whose words differ: "to the right the stove" lacks its "of".
SLIP = {"push the plate to the right the stove": "push the plate to the right of the stove"}


def words(text: str) -> list[str]:
    """Words and signs inside words: the tables use full stops, semicolons, '~' and capitals unevenly."""
    plain = SLIP.get(text, text).lower().replace("’", "'").replace("~", "")
    return re.findall(r"[a-z0-9/()'-]+", plain)


@pytest.mark.parametrize("task", load_task_texts(), ids=lambda task: f"{task.dataset}-{task.number}")
def test_the_grammar_says_what_the_tables_say_up_to_punctuation(task: TaskTexts):
    found = annotate(task.instruction)
    assert found.instruction == task.instruction
    assert words(found.coarse) == words(task.coarse)
    assert words(found.fine) == words(task.fine)


def test_annotated_tasks_of_the_real_arm_come_out_exactly():
    for task in load_task_texts("kine_realman"):
        found = annotate(task.instruction)
        assert (found.instruction, found.coarse, found.fine) == (task.instruction, task.coarse, task.fine)


def test_a_known_task_keeps_the_words_of_the_tables(capsys):
    for task in load_task_texts("libero_goal_relabeled"):
        found = texts_for(task.instruction.capitalize() + ".")
        assert (found.instruction, found.coarse, found.fine) == (task.instruction, task.coarse, task.fine)
    assert main(["data", "annotate", load_task_texts("libero_goal_relabeled")[3].instruction]) == 0
    assert "2.Object-level Targeting: Handle/Surface" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sentence", "coarse", "fine"),
    [
        (
            "Grab the left edge of this cup and move it along a straight path to the bottom section of the "
            "shelf!",
            "put the cup on top of the shelf",
            "Trajectory shape - Straight path; Contact timing - After grabbing, then move. 2. Object-level "
            "Targeting: Target component - Left edge of the cup; Spatial relation - Bottom section of the "
            "shelf.",
        ),
        (
            "vertically hold the handle of the bottom kitchen drawer and pull it slightly open",
            "open the bottom drawer of the kitchen",
            "Target Part: Bottom kitchen drawer handle. Action on Target: Pull open slightly.",
        ),
        (
            "push the tray and move it forward then leftward along the table plane to reposition the tray "
            "about far in left of the oven",
            "push the tray to the left of the oven",
            "Sequential motion: first forward, then leftward. 2. Object-level Targeting: Target Part: "
            "Center of the tray (initial contact).",
        ),
        (
            "grab the milk jug by the handle and place it at the front of the tray",
            "put the milk jug on the tray",
            "from source (handle) to target (tray front). Ordinal Relations - Strict sequence: grab before "
            "place. 2. Object-level Targeting: Grasp Target - The handle (specific part) of milk jug. Place "
            "Target - The front of the tray (specific location); final pose constrained by tray structure",
        ),
        (
            "move right to the oven knob, then turn it counterclockwise to extinguish",
            "turn off the oven",
            "Oven knob (specific component). Pose/facing/angle - Counterclockwise rotation",
        ),
    ],
)
def test_a_new_instruction_gets_texts_of_the_same_wording(sentence: str, coarse: str, fine: str):
    found = annotate(sentence)
    assert found.coarse == coarse
    assert fine in found.fine
    assert "{" not in found.fine and found.instruction == sentence.lower().rstrip("!")


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("", "empty"),
        ("dance", "no known pattern"),
        ("pick up the cup and move it to the moon", "region 'moon' is unknown"),
        ("hold the cup by the soft part and place it on the left side of the plate", "part 'soft'"),
        ("hold the cup by the upper part and place it on the dark side of the plate", "side 'dark'"),
        ("hold the cup by the upper part and place it on the left side of the cup", "on itself"),
        ("hold the handle of the middle cabinet drawer and pull it a bit", "amount 'a bit' is unknown"),
        (
            "grab the jug by the soul and place it on the rack",
            "grip 'soul' is unknown, choose from neck, body",
        ),
        (
            "push the plate and move it leftward then backward along the table plane to reposition the bowl "
            "about close in front of the stove",
            "no known pattern",
        ),
        (
            "hold the wine bottle firmly by the neck and position it on the upper section of the cabinet "
            "top, orienting the cup so that its label is facing to the left",
            "the wine bottle is held, but the cup is oriented",
        ),
    ],
)
def test_a_sentence_outside_the_grammar_is_refused_with_the_reason(sentence: str, reason: str):
    with pytest.raises(AnnotationError, match=reason) as error:
        annotate(sentence)
    assert "\n" not in str(error.value)


def test_the_nearest_patterns_are_named():
    with pytest.raises(AnnotationError) as error:
        annotate("pick up the cup and throw it to the left")
    assert PATTERNS[0] in str(error.value)
