"""The control 'lookup': how far does a list of training sentences get, without reading what is asked?

The sentence is exchanged for the nearest one of the training, word by word. What the decoder says of that
sentence was read once, in one picture of another scene; from then on the decoder is left out: the readout
reads from the pictures, at every chunk, the motion that those words ask for. Where nothing but the decoder
chooses codes, it is told the nearest sentence and what it said of it instead. A sentence in other words
stands for its instruction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinevla.evaluation.bench_split import BENCH_TABLE
from kinevla.evaluation.controllers import ControllerConfig, ControllerError, Decision, Start
from kinevla.evaluation.environments import environment
from kinevla.evaluation.policy_controllers import observation_of
from kinevla.evaluation.wordings import training_sentences
from kinevla.generation.grammar import Text
from kinevla.generation.spelling import Spelling
from kinevla.observation.past import NO_PAST, remembered
from kinevla.policy import KineVLAPolicy, Observation, Plan
from kinevla.text import load_task_texts
from kinevla.text.language.splits import load_splits
from kinevla.text.similarity import nearest_sentence


@dataclass(frozen=True)
class Memory:
    """What is kept of a sentence."""

    goal_text: str  # reasoning the policy wrote for it
    kinematics_text: str
    # (levels, L) ids of both texts, which ask the readout for the motion; None without one
    words: Tensor | None


@torch.inference_mode()
def remember(policy: KineVLAPolicy, observation: Observation, sentence: str) -> Memory:
    """Let the policy answer a sentence in one observation, and keep what it said.

    Raises:
        InstructionError: the sentence has no words.
    """
    plan = policy.plan(observation, sentence)
    model, builder = policy.parts.model, policy.parts.builder
    words = None
    if model.readout is not None:
        texts = (builder.text(text) or [model.pad_id] for text in (plan.goal_text, plan.kinematics_text))
        levels = [torch.tensor(ids) for ids in texts]
        words = nn.utils.rnn.pad_sequence(levels, batch_first=True, padding_value=model.pad_id)
    return Memory(plan.goal_text, plan.kinematics_text, words)


@torch.inference_mode()
def recall(
    policy: KineVLAPolicy, observation: Observation, past: NDArray[np.float64], words: Tensor
) -> NDArray[np.float64]:
    """Return absolute targets (T, D) for what is seen now, asked for by remembered words (levels, L).

    Args:
        past: (K, D) states at the chunks before, the latest first.
    """
    parts = policy.parts
    model = parts.model
    seen = policy.look(*policy.inputs(observation, past))
    tokenizer = parts.action_tokenizer
    spelling = Spelling(tokenizer, model.device)
    told = words.to(model.device)
    codes = spelling.spell_levels(lambda level: model.read(told[None, level], seen, level).motion).cpu()
    measured = np.asarray(observation.state, dtype=np.float64)[None]
    return tokenizer.decode_absolute(codes.numpy(), measured)[0]


class LookupController:
    """Looks the sentence up in the checkpoint's training.

    Raises:
        ControllerError: the checkpoint does not tell its training sentences.
    """

    def __init__(self, config: ControllerConfig) -> None:
        assert config.checkpoint is not None
        self._policy = KineVLAPolicy.load(config.checkpoint, threads=1)
        self._sentences = training_sentences(config.checkpoint)
        if not self._sentences:
            raise ControllerError(f"{config.checkpoint} does not tell its training sentences")
        segments = self._policy.parts.builder.grammar.segments()
        self._levels = {part.name for part in segments if isinstance(part, Text)}
        self._tasks = _tasks_of(tuple(self._sentences.values()), config.texts)
        self._scenes = {task: _look(config, task) for task in sorted(set(self._tasks.values()))}
        self._memories: dict[str, Memory] = {}
        self._sentence = ""
        self._past = NO_PAST
        self._previous: Plan | None = None

    def start(self, start: Start) -> None:
        """Find the nearest training sentence; no sentence is refused."""
        self._past, self._previous = NO_PAST, None
        self._sentence = self._sentences[nearest_sentence(start.instruction, tuple(self._sentences))]
        if self._sentence not in self._memories:
            scene = self._scenes[self._tasks[self._sentence]]
            self._memories[self._sentence] = remember(self._policy, scene, self._sentence)

    def decide(self, observation: dict[str, NDArray[Any]], step: int) -> Decision:
        """Return the next chunk of its motion."""
        seen = observation_of(observation)
        memory = self._memories[self._sentence]
        if memory.words is not None:
            chunk = recall(self._policy, seen, self._past, memory.words)
            moments = self._policy.parts.model.config.moments
            self._past = remembered(self._past, seen.state, moments)
            return Decision(chunk)
        texts = {"goal": memory.goal_text, "kinematics": memory.kinematics_text}
        goal, kinematics = (texts[name] if name in self._levels else None for name in texts)
        plan = self._policy.plan(seen, self._sentence, self._previous, forced_reasoning=(goal, kinematics))
        self._previous = plan
        return Decision(plan.actions, plan.goal_text, plan.kinematics_text, dict(plan.latency_s))


def _tasks_of(sentences: tuple[str, ...], table: str) -> dict[str, int]:
    """Return in whose scene each sentence is looked at: its task's, or the first one's where it has none.

    Of KineBench, whose sentences are too many, that is a scene of the split `seen`.
    """
    if table == BENCH_TABLE:
        return dict.fromkeys(sentences, 1)
    tasks = load_task_texts(table)
    known = {task.instruction: task.number for task in tasks}
    return {sentence: known.get(sentence, tasks[0].number) for sentence in sentences}


def _look(config: ControllerConfig, task: int) -> Observation:
    bench = config.texts == BENCH_TABLE
    options = {"instruction": load_splits()["sentences"]["seen"][task - 1]} if bench else {"task": task}
    observation, _ = environment(config.environment_id).reset(seed=config.reference_seed, options=options)
    return observation_of(observation)
