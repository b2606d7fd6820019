"""By which sentence a demonstration is judged."""

import pytest

from kine_sim.tasks import TASKS
from kinevla_policy.demo import judged_task


@pytest.mark.parametrize("scene", [4, 5, 6, 7])
def test_another_sentence_for_the_same_scene_is_judged_by_what_it_says(scene: int):
    for task in TASKS[3:]:
        assert judged_task(scene, task.instruction) == task.number
        assert judged_task(scene, f"  {task.instruction.upper()} ") == task.number


def test_other_words_and_other_objects_are_judged_by_the_scene():
    assert judged_task(5, "take the carrot") == 5
    assert judged_task(5, TASKS[0].instruction) == 5, "there is no bread in that scene"
    assert judged_task(1, TASKS[2].instruction) == 3
