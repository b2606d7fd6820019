"""A policy's motion with what the decoder said of a sentence once, instead of the decoder.

The network reads possible motions from the pictures at every chunk; the decoder's hidden states at the code
positions choose among them. Here these states are constants of a sentence, read in one picture of another
scene. Everything that knows how hidden states become codes is `KineVLAModel.code_scores`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.generation import Generator
from kinevla.policy import KineVLAPolicy, Observation


@dataclass(frozen=True)
class Memory:
    """What is kept of a sentence.

    Attributes:
        goal_text: reasoning the policy wrote for it.
        kinematics_text: likewise.
        states: (P, hidden) states that predict the P codes of a chunk; None without a code readout.
    """

    goal_text: str
    kinematics_text: str
    states: Tensor | None


@torch.inference_mode()
def remember(policy: KineVLAPolicy, observation: Observation, sentence: str) -> Memory:
    """Let the policy answer a sentence in one observation, and keep what it said.

    Raises:
        InstructionError: the policy refuses the sentence.
    """
    parts = policy.parts
    model, builder = parts.model, parts.builder
    tokens = _tokens(policy, observation)
    prompt = builder.prompt(policy.check_instruction(sentence))
    answer = Generator(model, builder.grammar).generate(tokens, prompt)
    states = None
    if model.code_readout is not None:
        ids = [builder.vocabulary.bos, *prompt, *answer.ids]
        embedded = model.embed_ids(torch.tensor([ids], device=tokens.device))
        sequence = torch.cat([embedded[:, :1], tokens.to(embedded), embedded[:, 1:]], dim=1)
        hidden = model.hidden_states(sequence)[0]
        first_code = builder.vocabulary.code_start
        places = [place for place, token in enumerate(ids) if token >= first_code]
        # The observation stands behind the first id, and a state predicts what comes after it.
        states = hidden[[tokens.shape[1] + place - 1 for place in places]]
    return Memory(builder.decode_text(answer.goal_text), builder.decode_text(answer.kinematics_text), states)


@torch.inference_mode()
def recall(policy: KineVLAPolicy, observation: Observation, states: Tensor) -> NDArray[np.float64]:
    """Return absolute targets (T, D) for what is seen now, chosen by remembered states (P, hidden).

    Raises:
        ObservationError: see `KineVLAPolicy.plan`.
    """
    model = policy.parts.model
    tokens = _tokens(policy, observation)
    codes: list[int] = []
    for state in states:
        written = torch.tensor([codes], dtype=torch.long, device=tokens.device)
        scores = model.code_scores(state[None, None], tokens, written)
        assert scores is not None, "only a policy with a code readout has states to remember"
        codes.append(int(scores.argmax()))
    measured: NDArray[Any] = np.asarray(observation.state, dtype=np.float64)[None]
    return policy.parts.action_tokenizer.decode_absolute(np.array([codes]), measured)[0]


def _tokens(policy: KineVLAPolicy, observation: Observation) -> Tensor:
    """Observation tokens (1, V, hidden)."""
    model = policy.parts.model
    images, state = policy.inputs(observation)
    return model.observe(model.vision_backbone(images, state), state)
