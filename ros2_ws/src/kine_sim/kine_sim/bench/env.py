"""Gymnasium environment of KineBench: one table, many things, any sentence of the language.

Registered as `kine_sim/KineBench-v0` when `kine_sim` is imported.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kine_sim.bench.draw import draw_scene
from kine_sim.bench.judge import BenchVerdict, judge
from kine_sim.bench.record import bench_model, new_trace, observe
from kine_sim.bench.scene import BenchScene
from kine_sim.bench.variations import vary
from kine_sim.env import Observation, TableEnv, move_to
from kine_sim.scene import NoPlaceError
from kine_sim.world import World
from kinevla.text.language import Instruction, parse_sentence, say, write_goal, write_kinematics
from kinevla.text.language.draw import draw_instruction

RETREAT_HEIGHT_M = 0.10
OPTIONS = ("instruction", "things", "variation", "scene")
MAX_REDRAWS = 20
"""How often another instruction is drawn where the drawn one has no scene."""
OBSERVED_SUBSTEPS = 5
"""Substeps of 10 ms between two samples of the trace."""


class TrialVerdict(BenchVerdict):
    """A verdict with the names that those of the seven tasks have."""

    @property
    def goal_success(self) -> bool:
        """What the goal text says was done."""
        return self.goal.passed

    @property
    def kinematics_success(self) -> bool:
        """The goal was reached, and in the way that the sentence says."""
        return self.as_told


class KineBenchEnv(TableEnv):
    """One step is 0.1 s, with the observations and actions of `KineRealmanEnv`.

    Reward is 1 on the step that completes what was asked, which also ends the episode once the tool has moved
    away. The info holds `instruction` (the sentence), its goal text `coarse` and kinematics text `fine`,
    `verdict`, `time_s`, and at a reset `redraws`, the number of drawn instructions that had no scene. The
    attribute `trace` is what the verdict was made from.

    Args:
        images: False leaves the images out of the observation (physics only).
        camera_size: image height and width.
        randomise: vary light, colours, cameras, friction and start pose with the seed.
        render_mode: None or 'rgb_array' (the front camera).
    """

    def __init__(
        self,
        images: bool = True,
        camera_size: tuple[int, int] = (256, 256),
        randomise: bool = True,
        render_mode: str | None = None,
    ) -> None:
        self._randomise = randomise
        self.instruction, self.sentence, scene, self._redraws = self._drawn(np.random.default_rng(0), 0)
        super().__init__(World(scene, camera_size, bench_model()), images, render_mode)
        self.trace = new_trace(scene)

    @property
    def scene(self) -> BenchScene:
        """The scene of the running episode."""
        assert isinstance(self.world.scene, BenchScene)
        return self.world.scene

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: fixes the scene, and the instruction where none is given; None draws one.
            options: `instruction` (an `Instruction` or a sentence of the language), `things` (how many, two
                to four), `variation` (a name of `kine_sim.bench.variations`) and `scene` (a whole
                `BenchScene` instead of a drawn one; needs an instruction).

        Raises:
            ValueError: unknown option, a scene without its instruction or the thing that it means.
            LanguageError: a sentence that is not understood.
            NoPlaceError: no scene was found in which what is asked can be done.
        """
        super().reset(seed=seed)
        options = dict(options or {})
        if unknown := sorted(set(options) - set(OPTIONS)):
            raise ValueError(f"unknown options {unknown}: known are {', '.join(OPTIONS)}")
        scene_seed = int(self.np_random.integers(2**31)) if seed is None else seed
        asked, things, scene = (options.get(name) for name in ("instruction", "things", "scene"))
        self._redraws = 0
        if asked is None:
            if scene is not None:
                raise ValueError("a scene needs its instruction")
            self.instruction, self.sentence, scene, self._redraws = self._drawn(
                self.np_random, scene_seed, things
            )
        else:
            self.instruction = asked if isinstance(asked, Instruction) else parse_sentence(str(asked))
            self.sentence = say(asked) if isinstance(asked, Instruction) else str(asked)
            scene = scene or draw_scene(
                self.instruction, scene_seed, things=things, randomise=self._randomise
            )
        if (variation := options.get("variation")) is not None:
            scene = vary(scene, self.instruction, str(variation), scene_seed)
        self.trace = new_trace(scene)
        self.world.reset(scene)
        self._command = self.world.state
        observe(self.trace, self.world)
        return self._observation(), {**self._info(), "redraws": self._redraws}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Run 0.1 s towards an action (8,); ValueError for a shape, value or limit that is not allowed."""
        self._command = move_to(self.world, self._command, action, self._observe)
        info = self._info()
        done = info["verdict"].as_told and self.world.object_pose("tool")[2, 3] > RETREAT_HEIGHT_M
        return self._observation(), float(done), bool(done), False, info

    def _observe(self, substep: int) -> None:
        if substep % OBSERVED_SUBSTEPS == 0:
            observe(self.trace, self.world)

    def _drawn(
        self, rng: np.random.Generator, seed: int, things: int | None = None
    ) -> tuple[Instruction, str, BenchScene, int]:
        """Draw instruction, sentence and scene; the number of instructions that had none."""
        for redraws in range(MAX_REDRAWS):
            asked = draw_instruction(rng)
            try:
                scene = draw_scene(asked, seed, things=things, randomise=self._randomise)
            except NoPlaceError:
                continue
            return asked, say(asked, rng), scene, redraws
        raise NoPlaceError(f"{MAX_REDRAWS} drawn instructions had no scene")

    def _info(self) -> dict[str, Any]:
        return {
            "instruction": self.sentence,
            "coarse": write_goal(self.instruction),
            "fine": write_kinematics(self.instruction),
            "verdict": TrialVerdict(**vars(judge(self.instruction, self.trace))),
            "time_s": self.world.time_s,
        }
