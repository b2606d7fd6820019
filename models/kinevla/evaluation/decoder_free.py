"""A policy's motion with what the decoder wrote about a sentence once, instead of the decoder.

The readout reads from the pictures, at every chunk, the motion that the words of the reasoning ask for. Here
these words are constants of a sentence, written in front of one picture of another scene.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinevla.generation import Spelling
from kinevla.policy import KineVLAPolicy, Observation


@dataclass(frozen=True)
class Memory:
    """What is kept of a sentence.

    Attributes:
        goal_text: reasoning the policy wrote for it.
        words: (levels, L) ids of both texts, which ask the readout for the motion; None without one.
    """

    goal_text: str
    kinematics_text: str
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
def recall(policy: KineVLAPolicy, observation: Observation, words: Tensor) -> NDArray[np.float64]:
    """Return absolute targets (T, D) for what is seen now, asked for by remembered words (levels, L)."""
    parts = policy.parts
    model = parts.model
    images, state = policy.inputs(observation)
    seen = model.observe(model.features(images), state)
    tokenizer = parts.action_tokenizer
    spelling = Spelling(tokenizer, model.device)
    told = words.to(model.device)
    codes = spelling.spell_levels(lambda level: model.motion(told[None, level], seen, level)).cpu()
    measured = np.asarray(observation.state, dtype=np.float64)[None]
    return tokenizer.decode_absolute(codes.numpy(), measured)[0]
