"""A policy's motion with what the decoder said of a sentence once, instead of the decoder.

The readout reads from the pictures, at every chunk, the motion that the decoder's hidden states in front
of the codes ask for. Here these states are constants of a sentence, read in one picture of another scene.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.generation import Spelling
from kinevla.policy import KineVLAPolicy, Observation


@dataclass(frozen=True)
class Memory:
    """What is kept of a sentence.

    Attributes:
        goal_text: reasoning the policy wrote for it.
        kinematics_text: likewise.
        states: (levels, hidden) what each level asked of the readout; None without one.
    """

    goal_text: str
    kinematics_text: str
    states: Tensor | None


@torch.inference_mode()
def remember(policy: KineVLAPolicy, observation: Observation, sentence: str) -> Memory:
    """Let the policy answer a sentence in one observation, and keep what it said.

    Raises:
        InstructionError: the sentence has no words.
    """
    plan = policy.plan(observation, sentence)
    parts = policy.parts
    model, builder = parts.model, parts.builder
    states = None
    if model.readout is not None:
        answer = builder.answer(plan.goal_text, plan.kinematics_text, plan.goal_codes, plan.kinematics_codes)
        images, state = policy.inputs(observation)
        seen = model.observe(model.features(images), state)
        embedded = model.embed_ids(torch.tensor([[builder.vocabulary.bos, *answer.ids]], device=model.device))
        hidden = model.hidden_states(torch.cat([embedded[:, :1], seen.tokens, embedded[:, 1:]], dim=1))[0]
        places = np.flatnonzero(answer.action)
        levels = [places[0], *places[len(plan.goal_codes) :][:1]]
        # The observation stands behind the first id, and a state predicts what comes after it.
        front = seen.tokens.shape[1]
        spoken, asked, before = np.flatnonzero(answer.reasoning_span), [], -1
        for place in levels:
            own = [answer.ids[word] for word in spoken if before < word < place] or [model.pad_id]
            words = torch.tensor([[own]], device=model.device)
            asked.append(model.asked(words, hidden[None, None, front + int(place)])[0, 0])
            before = int(place)
        states = torch.stack(asked)
    return Memory(plan.goal_text, plan.kinematics_text, states)


@torch.inference_mode()
def recall(policy: KineVLAPolicy, observation: Observation, states: Tensor) -> NDArray[np.float64]:
    """Return absolute targets (T, D) for what is seen now, asked for by remembered states (levels, hidden).

    Raises:
        ObservationError: see `KineVLAPolicy.plan`.
    """
    parts = policy.parts
    images, state = policy.inputs(observation)
    motions = parts.model.motions(states[None], parts.model.observe(parts.model.features(images), state))
    tokenizer = parts.action_tokenizer
    spelling = Spelling(tokenizer, parts.model.device)
    codes = torch.zeros(1, 0, dtype=torch.long)
    for level, count in enumerate((tokenizer.goal_levels, tokenizer.kinematics_levels)):
        if count:
            codes = torch.cat([codes, spelling.spell(motions[:, level], codes, count).cpu()], dim=1)
    measured = np.asarray(observation.state, dtype=np.float64)[None]
    return tokenizer.decode_absolute(codes.numpy(), measured)[0]
