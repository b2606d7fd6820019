"""Settings of an evaluation: everything that decides its outcome, so that a manifest can repeat it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from kinevla.data.plugins import BENCH_ENVIRONMENT_ID, BENCH_EXPERT, ENVIRONMENT_ID, EXPERT
from kinevla.evaluation.bench_split import BENCH_TABLE, FROM_FILE, MAX_TIME_S, BenchSplit, bench_jobs
from kinevla.evaluation.controllers import ControllerConfig
from kinevla.evaluation.controls import CONTROLS, OF_THE_POLICY, Control, ControlChoice, writes_reasoning
from kinevla.evaluation.interventions import Intervention
from kinevla.evaluation.libero.environment import CONTROL_HZ, ENVIRONMENT_PREFIX
from kinevla.evaluation.trial_types import TrialConfig, TrialJob
from kinevla.evaluation.wordings import read_wordings
from kinevla.text import load_task_texts
from kinevla.text.wordings import numbered_wording

FIRST_UNSEEN_SEED = 9_000_000
"""Data sets draw their scenes from lower seeds (blocks of a million per data set seed)."""
MAX_TRIALS = 10_000
REFERENCE_SEED = MAX_TRIALS + 49
"""So far after the first seed lies a scene that is no trial's (LIBERO counts its 50 scenes round)."""


@dataclass(frozen=True)
class EvaluateConfig:
    """Options of `kinevla evaluate`."""

    out: Path  # Where trials, report, films and manifest go; an unfinished evaluation there is continued
    # Which tasks; libero needs LIBERO and its assets, and says where to get them
    env: Literal["kine-realman", "kinebench", "libero"] = "kine-realman"
    # With kinebench: which sentences in which scenes; those of wording and nonsense come from a file
    split: BenchSplit = "seen"
    # With libero: Kine-LIBERO (rows 1..31) or the relabelled LIBERO-Goal (rows 1..10) of the paper
    libero_table: Literal["kine_libero", "libero_goal_relabeled"] = "kine_libero"
    # Who moves: none is the policy itself, all the policy and every control that the inputs allow
    control: ControlChoice = "none"
    # With --control all: trials per task of each control, on the first of the policy's scenes
    control_trials: int = 5
    checkpoint: Path | None = None  # Directory of the policy
    episodes: Path | None = None  # Data set for replay; its scenes are the trials
    tasks: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)  # Task numbers; with libero, rows of the table
    trials: int = 20  # Trials per task; with kinebench, of all sentences together
    # Trial i of every task has the scene first_seed + i, so that tasks and policies are paired
    first_seed: int = FIRST_UNSEEN_SEED
    # Replace the kinematics reasoning by random words, or by that of another task with the same goal
    intervention: Intervention = "none"
    # 0: the task's own sentence, n: its n-th paraphrase (trained on by default, see the training column)
    wording: int = 0
    # Sentences to evaluate, a line `task<TAB>sentence` each; tasks without one are left out. With kinebench:
    # `plain sentence<TAB>sentence` for wording, `kind<TAB>sentence` for nonsense.
    wording_file: Path | None = None
    variation: str | None = None  # Scenes unlike the demonstrations: dark, bright, moved_camera, distractor
    friction: float | None = None  # Friction of object and finger pads instead of the scene's
    latency_s: float = 0.0  # The arm holds for this time before each chunk, as with a slower machine
    # A trial that is not at rest by then ends; None for 15 s, with kinebench 30 s
    max_time_s: float | None = None
    # Which trials become films; failures: also the first scene of every task, however it went
    films: Literal["none", "failures", "all"] = "failures"
    bert: bool = True  # Compute BERTScore of the reasoning
    bert_model: Path | None = None  # Encoder for BERTScore; the small one that comes as a package by default
    # Processes; the outcome does not depend on it. Through ROS it is always one: that runs in real time.
    workers: int = 2
    # Each trial on a fresh stack of nodes, driver, vendor's SDK and emulated controller, in real time
    through_ros: bool = False
    launch: tuple[str, ...] = ()  # Launch arguments of the stack of --through-ros, each `name:=value`
    environment_id: str = ENVIRONMENT_ID  # Gymnasium environment, "module:namespace/Name-v0"
    max_minutes: float | None = None  # Time budget of this call; the same command goes on where it stopped
    progress: bool = True  # Show a progress bar

    def __post_init__(self) -> None:
        if not self.tasks or len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"tasks must name different tasks, got {self.tasks}")
        for name in ("trials", "control_trials"):
            if not 1 <= (count := getattr(self, name)) <= MAX_TRIALS:
                raise ValueError(f"{name} must lie in 1..{MAX_TRIALS}, got {count}")
        if self.first_seed < 0:
            raise ValueError(f"first_seed must not be negative, got {self.first_seed}")
        if self.wording < 0:
            raise ValueError(f"wording must not be negative, got {self.wording}")
        if self.wording and self.wording_file is not None:
            raise ValueError(f"wording = {self.wording} and wording_file exclude each other")
        if self.control == "all" and self.intervention != "none":
            raise ValueError(
                f"control = 'all' is for the policy as it is, not intervention = {self.intervention!r}"
            )
        if why := self.why_not("none" if self.control == "all" else self.control):
            raise ValueError(f"control = {self.control!r} {why}")
        if self.env == "libero" and (self.variation is not None or self.friction is not None):
            raise ValueError("variation and friction are of the project's own table, not of LIBERO's scenes")
        if self.env == "kinebench":
            self._check_bench()
        elif self.split != "seen":
            raise ValueError(f"split = {self.split!r} is for kinebench")
        if self.through_ros:
            self._check_through_ros()
        elif self.launch:
            raise ValueError(f"launch = {self.launch[0]!r} is for --through-ros")
        self.trial_config()  # refuses contradictions early

    def _check_bench(self) -> None:
        """Refuse what a split decides already, and what the other tables have."""
        for item in fields(self):
            value, chosen = getattr(self, item.name), ("tasks", "variation", "friction", "wording")
            if item.name in chosen and value != item.default:
                raise ValueError(f"{item.name} = {value!r} is not for kinebench: split chooses")
        if self.split in FROM_FILE and self.wording_file is None:
            raise ValueError(f"split = {self.split!r} needs wording_file, such as {FROM_FILE[self.split]}")
        if self.split not in FROM_FILE and self.wording_file is not None:
            raise ValueError(f"split = {self.split!r} has its sentences, and none of {self.wording_file}")
        if self.through_ros and self.split in ("clutter", "look"):
            raise ValueError(f"split = {self.split!r} is for the plain environment: nodes have no variations")

    def _check_through_ros(self) -> None:
        """Refuse what the nodes, which run as they do on a robot, have no switch for."""
        if self.env == "libero":
            raise ValueError("LIBERO's arm has no ROS nodes here: --through-ros is for kine-realman")
        unset = (("intervention", "none"), ("variation", None), ("friction", None), ("latency_s", 0.0))
        for argument in self.launch:
            if not re.fullmatch(r"[a-z_]+:=.+", argument):
                raise ValueError(f"launch argument {argument!r} must have the form name:=value")
        for name, value in unset:
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name} = {getattr(self, name)!r} is for the plain environment: the nodes of "
                    "--through-ros run as on a robot"
                )

    def why_not(self, control: Control) -> str | None:
        """Say why a control cannot be run with these settings, None where it can."""
        own = control in OF_THE_POLICY
        if own and self.checkpoint is None:
            return "needs a checkpoint directory"
        if control == "replay" and self.episodes is None:
            return "needs a data set of episodes"
        if self.through_ros and own and control != "none":
            return "is for the plain environment: the nodes of --through-ros run as on a robot"
        if self.env == "libero" and control == "expert":
            return "is not for libero: the scripted expert moves the RM75, not LIBERO's arm"
        if self.env == "libero" and control == "replay":
            return "is not for libero: imported demonstrations do not hold the simulator's start states"
        if self.env == "kinebench" and control == "replay":
            return "is not for kinebench: a demonstration's scene is no trial's"
        if self.env == "kinebench" and self.split == "nonsense" and control not in ("none", "lookup"):
            return "is not for the split nonsense: it does not judge what it is told"
        if control == "shuffled" and self.checkpoint is not None and not writes_reasoning(self.checkpoint):
            return "needs a policy that writes reasoning"
        return None

    def controls(self) -> tuple[Control, ...]:
        """Return the controls that can be run with these settings."""
        return tuple(control for control in CONTROLS if self.why_not(control) is None)

    def trial_config(self) -> TrialConfig:
        """Return what every trial shares."""
        libero, bench = self.env == "libero", self.env == "kinebench"
        environment_id = f"{ENVIRONMENT_PREFIX}{self.libero_table}" if libero else self.environment_id
        if bench and environment_id == ENVIRONMENT_ID:
            environment_id = BENCH_ENVIRONMENT_ID
        return TrialConfig(
            controller=ControllerConfig(
                control="none" if self.control == "all" else self.control,
                checkpoint=self.checkpoint,
                episodes=self.episodes,
                expert=BENCH_EXPERT if bench else EXPERT,
                intervention=self.intervention,
                texts=self.table,
                environment_id=environment_id,
                reference_seed=self.first_seed + REFERENCE_SEED,
            ),
            environment_id=environment_id,
            period_s=1.0 / CONTROL_HZ if libero else TrialConfig.period_s,
            relative=libero,
            max_time_s=self._max_time_s,
            latency_s=self.latency_s,
            launch=self.launch,
            film=None if self.films == "none" else self.out / "films",
            film_all=self.films == "all",
            film_seed=self.first_seed,
        )

    @property
    def _max_time_s(self) -> float:
        if self.max_time_s is not None:
            return self.max_time_s
        return MAX_TIME_S if self.env == "kinebench" else TrialConfig.max_time_s

    @property
    def table(self) -> str:
        """Name of the table of tasks."""
        return {"libero": self.libero_table, "kinebench": BENCH_TABLE}.get(self.env, "kine_realman")

    def identity(self) -> dict[str, Any]:
        """Return what a continued evaluation must share with the one it continues."""
        free = {"out", "workers", "max_minutes", "progress", "films", "bert", "bert_model", "control_trials"}
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in free}
        return values | {"max_time_s": self._max_time_s}

    def jobs(self) -> list[TrialJob]:
        """Return all trials in order: seeds outside, tasks inside, so that a part is balanced.

        Raises:
            ValueError: a task that is unknown, or has no paraphrase of this number.
            WordingError: a list of sentences that cannot be used.
        """
        config = self.trial_config()
        if self.env == "kinebench":
            return bench_jobs(config, self.split, self.trials, self.first_seed, self.wording_file)
        chosen = (("friction", self.friction), ("variation", self.variation))
        options = tuple((name, value) for name, value in chosen if value is not None)
        sentences = self._sentences()
        return [
            TrialJob(config, task, self.first_seed + trial, sentence, options, number)
            for trial in range(self.trials)
            for task in self.tasks
            for number, sentence in enumerate(sentences.get(task, ()))
        ]

    def _sentences(self) -> dict[int, tuple[str | None, ...]]:
        """Return what is said in each task; None is the task's own sentence."""
        known = {item.number: item.instruction for item in load_task_texts(self.table)}
        if unknown := sorted(set(self.tasks) - set(known)):
            raise ValueError(f"task {unknown[0]} is unknown, choose from {sorted(known)}")
        if self.wording_file is not None:
            listed = read_wordings(self.wording_file)
            if unknown := sorted(set(listed) - set(known)):
                raise ValueError(
                    f"{self.wording_file}: task {unknown[0]} is unknown, choose from {sorted(known)}"
                )
            if not set(listed) & set(self.tasks):
                raise ValueError(f"{self.wording_file} holds no sentence for the tasks {list(self.tasks)}")
            return {task: tuple(sentences) for task, sentences in listed.items()}
        if self.wording == 0:
            return dict.fromkeys(self.tasks, (None,))
        return {task: (numbered_wording(known[task], self.wording),) for task in self.tasks}
