"""One forward pass of training: features of a batch in, the losses out.

Each term is a function of its own: `reasoning_term` (eq. 4), `action_term` (eq. 5), `coupling_term` (eq. 6
and 7). `readout_term` and `flow_term` take the place of the action term with the readout and with the flow
head, and `writer_term` that of the reasoning term where the instruction is read apart from the codes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kinevla.backbone.model import KineVLAModel, Seen
from kinevla.backbone.motion_readout import Reading
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.dataset import TokenBatch
from kinevla.training.losses import coupling_loss, motion_distance, pooled, token_cross_entropy
from kinevla.training.writing import WriterBatch


class Positions(NamedTuple):
    """By how many positions (a writer's: texts) the two cross-entropies of a part of a batch are divided.

    A batch may be computed in parts (accumulation steps, processes) that hold unequal numbers of them. With
    the number of the whole batch divided by the number of parts, the mean over the parts is exactly the mean
    over the whole batch. Losses of chunks need no divisor: all parts hold equally many.
    """

    reasoning: float
    action: float


class PolicyLoss(NamedTuple):
    """Total and its parts, scalars: eq. 4, eq. 5 (or what takes its place), eq. 7 (not yet weighted)."""

    total: Tensor
    reasoning: Tensor
    action: Tensor
    coupling: Tensor


class SequenceStates(NamedTuple):
    """What the decoder made of ``BOS | observation | instruction | ids``."""

    before: Tensor  # (B, L, hidden), entry j is the state that predicts id j
    at: Tensor  # (B, L, hidden), entry j is the state at id j itself
    whole: Tensor  # (B, S, hidden), all states
    mask: Tensor  # (B, S) bool, False at the padding behind a row's end


def sequence_states(
    model: KineVLAModel, seen: Seen, ids: Tensor, bos: int, told: Sequence[Tensor] | None = None
) -> SequenceStates:
    """Run sequences through the decoder.

    Args:
        seen: what is seen of the B samples.
        ids: (B, L), padded on the right.
        told: B embedded instructions (P, hidden) between observation and ids; None for none there.
    """
    tokens = model.embed_ids(ids)
    start = model.embed_ids(torch.full((len(ids), 1), bos, dtype=torch.long, device=ids.device)).to(tokens)
    front = torch.cat([start, seen.tokens.to(tokens)], dim=1)
    ahead, length = front.shape[1], ids.shape[1]
    lengths = [0] * len(ids) if told is None else [len(sentence) for sentence in told]
    if told is None:
        embedded = torch.cat([front, tokens], dim=1)
    else:
        rows = [torch.cat([a, b.to(a), c]) for a, b, c in zip(front, told, tokens, strict=True)]
        embedded = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    whole = model.hidden_states(embedded)
    first = ahead + torch.tensor(lengths, device=ids.device).unsqueeze(1)
    places = first + torch.arange(length, device=ids.device)
    index = torch.arange(len(ids), device=ids.device).unsqueeze(1)
    filled = (ids != model.pad_id).sum(1, keepdim=True)
    mask = torch.arange(whole.shape[1], device=ids.device) < first + filled
    return SequenceStates(whole[index, places - 1], whole[index, places], whole, mask)


def reasoning_term(
    model: KineVLAModel, states: SequenceStates, batch: TokenBatch, spoken: Tensor, divisor: float | None
) -> Tensor:
    """Eq. 4: cross-entropy of both levels' reasoning ids, each given the observation and all ids before it.

    Args:
        states: from `sequence_states`.
        spoken: (B, L) positions that count: texts with their delimiters.
        divisor: see `token_cross_entropy`.
    """
    return token_cross_entropy(model.logits(states.before[spoken]), batch.ids[spoken], divisor)


def writer_states(model: KineVLAModel, seen: Seen, batch: WriterBatch, bos: int) -> Tensor:
    """Run the sequences of a writer through the decoder: (b, L, hidden), entry j predicts id j."""
    told = model.told(batch.sentences)
    return sequence_states(model, Seen(seen.tokens[batch.rows]), batch.ids, bos, told).before


def writer_term(
    model: KineVLAModel, seen: Seen, batch: WriterBatch, bos: int, divisor: float | None = None
) -> Tensor:
    """Eq. 4 where the instruction is read apart from the codes: cross-entropy of what is written.

    Summed over the positions of a text, as the equation has it, and divided by the number of texts or by
    `divisor`. In a mean over positions the one word that tells two ways of doing a task apart has a sixtieth
    of the weight, and was never learned.
    """
    before = writer_states(model, seen, batch, bos)
    logits, ids = model.logits(before[batch.spoken]), batch.ids[batch.spoken]
    return token_cross_entropy(logits, ids, divisor or float(len(batch.sentences)))


def level_words(model: KineVLAModel, batch: TokenBatch, goal_codes: int) -> Tensor:
    """Return the words of each level: (B, levels, L) ids, the pad id elsewhere."""
    firsts = [0] + ([goal_codes] if goal_codes < batch.code_positions.shape[1] else [])
    places = batch.code_positions[:, firsts]
    ahead = torch.arange(batch.ids.shape[1], device=batch.ids.device) < places.unsqueeze(-1)
    # The words of a level are those in front of its codes that are not in front of the codes before.
    own = torch.cat([ahead[:, :1], ahead[:, 1:] & ~ahead[:, :-1]], dim=1) & batch.span.unsqueeze(1)
    return batch.ids.unsqueeze(1).masked_fill(~own, model.pad_id)


def readout_term(
    model: KineVLAModel,
    seen: Seen,
    batch: TokenBatch,
    goal_codes: int,
    weight: Tensor,
    keyframe_weight: float,
    rows: Tensor,
) -> Tensor:
    """Distance of the motions and keyframes that are read from the demonstrated ones; in place of eq. 5.

    All samples carry the motion of the kinematics level, which moves the arm, some that of the goal level,
    which only its codes spell.

    Args:
        seen: what is seen of the B samples.
        weight: (D,) weight of each action dimension.
        keyframe_weight: weight of the keyframes beside the motions.
        rows: (b,) samples that carry the goal level as well.
    """
    words = level_words(model, batch, goal_codes)
    keyframes = model.normalise_state(batch.keyframes)
    last = words.shape[1] - 1

    def distance(reading: Reading, of: Tensor | slice) -> Tensor:
        """Mean over some samples."""
        way = motion_distance(reading.motion, batch.chunks[of], weight)
        return way + keyframe_weight * (reading.keyframe.float() - keyframes[of]).abs().mean()

    total = distance(model.read(words[:, last], seen, last), slice(None))
    if last and len(rows):
        # As a sum over few samples divided by all, it is the same in whatever parts a batch is computed.
        total = total + distance(model.read(words[rows, 0], seen.of(rows), 0), rows) * len(rows) / len(words)
    return total


def action_term(
    model: KineVLAModel, states: SequenceStates, batch: TokenBatch, divisor: float | None
) -> Tensor:
    """Eq. 5: cross-entropy of both levels' action codes, each given the observation and all ids before it."""
    rows = torch.arange(len(batch.ids), device=batch.ids.device).unsqueeze(1)
    logits = model.logits(states.before[rows, batch.code_positions])
    return token_cross_entropy(logits.flatten(0, 1), batch.code_labels.flatten(), divisor)


def flow_term(
    model: KineVLAModel,
    states: SequenceStates,
    batch: TokenBatch,
    generator: torch.Generator | None,
) -> Tensor:
    """Flow-matching loss of the chunks given the whole sequence: the baseline's action term.

    Raises:
        ValueError: the network has no flow head.
    """
    if model.flow_head is None:
        raise ValueError("action_head 'flow' needs a network with a flow head")
    return model.flow_head.loss(states.whole, states.mask, batch.chunks.float(), generator)


def coupling_term(
    model: KineVLAModel,
    states: SequenceStates,
    batch: TokenBatch,
    config: PolicyTrainConfig,
    gather: Callable[[Tensor], Tensor] | None,
) -> Tensor:
    """Eq. 6 and 7: symmetric InfoNCE between the pooled words of both texts and the pooled codes.

    The embeddings t_i = f_T(T_i, C_i) and a_i = f_A(A_i, C_i) are linear maps of decoder states, which depend
    on the observation and on everything before them.
    """
    rows = torch.arange(len(batch.ids), device=batch.ids.device).unsqueeze(1)
    text = model.coupling_reasoning(pooled(states.at, batch.span))
    motion = model.coupling_action(states.at[rows, batch.code_positions].mean(1))
    equal = batch.text
    if gather is not None:
        text, motion, equal = gather(text), gather(motion), gather(equal)
    return coupling_loss(text, motion, equal, config.temperature, config.coupling_negatives)


def policy_loss(
    model: KineVLAModel,
    seen: Seen,
    batch: TokenBatch,
    bos: int,
    config: PolicyTrainConfig,
    *,
    sentences: tuple[str, ...] | None = None,
    writing: WriterBatch | None = None,
    positions: Positions | None = None,
    gather: Callable[[Tensor], Tensor] | None = None,
    generator: torch.Generator | None = None,
    goal_codes: int = 0,
    weight: Tensor | None = None,
) -> PolicyLoss:
    """Compute the training objective of a batch (differentiable); a term that is off is zero.

    Args:
        seen: what is seen of the B samples.
        sentences: what the samples are told in front of the ids, where the codes are to see it and it is not
            among the ids.
        writing: sentences for the writer, of a network that reads the instruction apart from the codes.
        positions: with a part of a larger batch: divisors of the cross-entropies. The caller has then chosen
            the rows whose `batch.reasoning` is set; without it the first `reasoning_loss_fraction` of the
            rows carry the reasoning loss and each term is the mean over its positions.
        gather: joins the rows (B, ...) of all processes, with gradients, for the comparison of eq. 7.
        generator: source of the flow head's noise and times (on the CPU); None for the global one.
        goal_codes: codes of the goal level; needed with a readout.
        weight: (D,) weight of each action dimension; needed with a readout.

    Raises:
        ValueError: settings ask for the flow head and the network has none.
    """
    states = None
    if model.readout is None or config.coupling_weight > 0.0:
        told = None if sentences is None else model.told(sentences)
        states = sequence_states(model, seen, batch.ids, bos, told)
    reasoning = action = coupling = seen.tokens.new_zeros((), dtype=torch.float32)
    if config.reasoning and config.reasoning_loss:
        words = positions.reasoning if positions else None
        if model.config.reads_alone:
            reasoning = reasoning if writing is None else writer_term(model, seen, writing, bos, words)
        else:
            assert states is not None
            spoken = batch.reasoning.clone()
            if positions is None:
                spoken[max(1, round(len(spoken) * config.reasoning_loss_fraction)) :] = False
            reasoning = reasoning_term(model, states, batch, spoken, words)
    if config.action_loss and model.readout is not None:
        assert weight is not None
        rows = torch.zeros(0, dtype=torch.long) if writing is None else writing.rows
        action = readout_term(
            model, seen, batch, goal_codes, weight, config.keyframe_weight, rows.to(model.device)
        )
    elif config.action_loss:
        assert states is not None
        if config.action_head == "flow":
            action = flow_term(model, states, batch, generator)
        else:
            action = action_term(model, states, batch, positions.action if positions else None)
    if config.coupling_weight > 0.0 and config.reasoning:
        assert states is not None
        coupling = coupling_term(model, states, batch, config, gather)
    total = config.reasoning_weight * reasoning + action + config.coupling_weight * coupling
    return PolicyLoss(total, reasoning, action, coupling)
