"""Which table is laid out: that of one of the seven tasks, or one on which a sentence can be followed."""

from __future__ import annotations

from dataclasses import dataclass

from kine_sim.bench.draw import draw_scene
from kine_sim.bench.record import bench_model
from kine_sim.bench.watch import BenchWatch
from kine_sim.judge import Judge
from kine_sim.live import Watcher
from kine_sim.scene import sample_scene
from kine_sim.tasks import task_by_number
from kine_sim.world import World
from kinevla.text.language import parse_sentence


@dataclass(frozen=True)
class LaidTable:
    """A world, what judges it, and what it is in words."""

    world: World
    judge: Watcher
    name: str
    sentence: str  # what the judge judges by
    things: tuple[str, ...]  # what lies on the table


def laid_table(task: int, sentence: str, seed: int, randomise: bool, camera_size_px: int) -> LaidTable:
    """Lay out a table.

    Args:
        task: 1..7, used without a sentence.
        sentence: of the language (see `kinevla.text.language`); empty for the task's table.
        seed: of the scene.
        randomise: False keeps light, colours, cameras and the start pose as they are.
        camera_size_px: width and height of the images.

    Raises:
        ValueError: a sentence that the language does not know, or for which there is no such table.
    """
    size = (camera_size_px, camera_size_px)
    if sentence:
        asked = parse_sentence(sentence)
        bench = draw_scene(asked, seed, randomise=randomise)
        things = ("plate", *(placed.name for placed in bench.things))
        world = World(bench, size, bench_model())
        return LaidTable(world, BenchWatch(asked, bench), f"table for '{sentence}'", sentence, things)
    chosen = task_by_number(task)
    scene = sample_scene(chosen, seed, randomise)
    name = f"scene of task {task} ('{chosen.instruction}')"
    things = (chosen.object,) if scene.plate_xy_m is None else ("plate", chosen.object)
    return LaidTable(World(scene, size), Judge(chosen, scene), name, chosen.instruction, things)
