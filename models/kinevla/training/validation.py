"""How good a policy is on held-out frames: texts, codes per level, and the motion it stands for."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.backbone.model import LEVELS, Seen
from kinevla.training.dataset import TokenBatch
from kinevla.training.inputs import on_device, visual_features
from kinevla.training.objective import (
    SequenceStates,
    level_words,
    sequence_states,
    writer_states,
)
from kinevla.training.policy_run import PolicyRun
from kinevla.training.writing import WriterBatch

_BATCH = 64


@torch.no_grad()
def validate(run: PolicyRun, rows: NDArray[np.int64]) -> dict[str, float]:
    """Measure a policy on some rows; the network comes back in evaluation mode.

    Codes are chosen one after the other from the policy's own earlier codes, as at run time, with the true
    reasoning in front. Reasoning accuracy is per id, each predicted from the true ids before it.

    Returns:
        reasoning_accuracy, texts_right (share of samples without a wrong word), code1_accuracy.. (the
        policy's code is the demonstration's), joint_l1_mrad of the chunk against the demonstrated one,
        joint_l1_tokenizer_mrad (what exact codes would give), gripper_l1.
        With the flow head there are no code accuracies. With a readout also words_moved_mrad and words_nearer
        (see `_heard`).
    """
    model, data, tokenizer = run.model, run.data, run.tokenizer
    model.eval()
    right, words, whole = 0, 0, 0
    motion, codes = [], []
    heard: list[Tensor] = []
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        batch = on_device(run.layout.batch(part), model.device)
        state = torch.from_numpy(data.states[part]).to(model.device)
        with torch.autocast(model.device.type, torch.bfloat16, enabled=run.config.bf16):
            features = visual_features(model, on_device(run.inputs.read(part, None), model.device))
            seen = model.observe(features, state, run.past(part))
            told = _told(run, part)
            hits = model.logits(_spoken_states(run, seen, batch, part, told)).argmax(-1) == batch.ids
            right += int((hits & batch.reasoning).sum())
            words += int(batch.reasoning.sum())
            whole += int((hits | ~batch.span).all(1).sum())
            if model.flow_head is not None:
                states = sequence_states(model, seen, batch.ids, run.builder.vocabulary.bos, told)
                motion.append(_flow_motion(run, states))
            else:
                codes.append(_choose_codes(run, seen, batch, told))
                if model.readout is not None:
                    heard.append(_heard(run, seen, part))
                motion.append(tokenizer.decode(codes[-1]))
    result = {"reasoning_accuracy": right / max(1, words), "texts_right": whole / max(1, len(rows))}
    if codes:
        equal = (np.concatenate(codes) == data.codes[rows]).mean(0)
        result |= {f"code{stage + 1}_accuracy": float(share) for stage, share in enumerate(equal)}
    truth = data.chunks[rows]
    joints = ~np.asarray(tokenizer.normaliser.keep)
    error = np.abs(np.concatenate(motion) - truth)
    exact = np.abs(tokenizer.decode(data.codes[rows]) - truth)
    result["joint_l1_mrad"] = float(error[..., joints].mean() * 1e3)
    result["joint_l1_tokenizer_mrad"] = float(exact[..., joints].mean() * 1e3)
    if sum(map(len, heard)):
        moved, nearer = torch.cat(heard).mean(0).tolist()
        result |= {"words_moved_mrad": moved, "words_nearer": nearer}
    result["gripper_l1"] = float(error[..., ~joints].mean()) if (~joints).any() else 0.0
    return result


def _spoken_states(
    run: PolicyRun, seen: Seen, batch: TokenBatch, rows: NDArray[np.int64], told: list[Tensor] | None
) -> Tensor:
    """Return the states (B, L, hidden) that predict what is written."""
    if not run.model.config.reads_alone or not run.config.reasoning:
        return sequence_states(run.model, seen, batch.ids, run.builder.vocabulary.bos, told).before
    sentences = tuple(run.data.texts[int(run.data.text[row])][0] for row in rows)
    whole = torch.arange(len(rows), device=batch.ids.device)
    writing = WriterBatch(whole, sentences, batch.ids, batch.reasoning)
    return writer_states(run.model, seen, writing, run.builder.vocabulary.bos)


def _told(run: PolicyRun, rows: NDArray[np.int64]) -> list[Tensor] | None:
    """Embed the instructions of rows where the codes see them and they are not among the ids."""
    if not run.model.config.reads_alone or run.config.reasoning:
        return None
    return run.model.told([run.data.texts[int(run.data.text[row])][0] for row in rows])


def _choose_codes(
    run: PolicyRun, seen: Seen, batch: TokenBatch, told: list[Tensor] | None
) -> NDArray[np.int64]:
    """Choose the codes of a batch greedily, each after the policy's own."""
    model, vocabulary = run.model, run.builder.vocabulary
    ids = batch.ids.clone()
    index = torch.arange(len(ids), device=ids.device)
    blocks = [vocabulary.block(level) for level in vocabulary.levels()]
    if model.readout is not None:
        assert run.spelling is not None
        words = level_words(model, batch, vocabulary.goal_codes)
        codes = run.spelling.spell_levels(lambda level: model.read(words[:, level], seen, level).motion)
        return np.asarray(codes.cpu().numpy())
    chosen = []
    for stage, block in enumerate(blocks):
        places = batch.code_positions[:, stage]
        hidden = sequence_states(model, seen, ids, vocabulary.bos, told).before[index, places]
        choice = model.logits(hidden)[:, block.start : block.stop].argmax(-1)
        ids[index, places] = choice + block.start
        chosen.append(choice.cpu().numpy())
    return np.stack(chosen, axis=1)


def _heard(run: PolicyRun, seen: Seen, rows: NDArray[np.int64]) -> Tensor:
    """Tell whether the words of the kinematics level decide on the motion.

    Each row is also told the text that is most like its own and asks for the same goal in another way.

    Returns:
        (b, 2) of the rows that have such a text: by how many mrad a joint's motion moves, and 1 where the
        demonstration is nearer to the motion its own words ask for. A policy that is deaf to the words scores
        0 mrad and a half.
    """
    data, tokenizer, vocabulary = run.data, run.tokenizer, run.builder.vocabulary
    numbers, places = np.unique(data.text, return_index=True)
    row_of = dict(zip(numbers.tolist(), places.tolist(), strict=True))
    like = [data.like_text[int(data.text[row])] for row in rows]
    kept = np.array([text in row_of for text in like], dtype=np.bool_)
    if not kept.any():
        return torch.empty(0, 2)
    other = np.array([row_of[text] for text in like if text in row_of])
    looked = seen.of(torch.from_numpy(np.flatnonzero(kept)).to(run.model.device))

    def motion(told: NDArray[np.int64]) -> NDArray[np.float64]:
        batch = on_device(run.layout.batch(told), run.model.device)
        words = level_words(run.model, batch, vocabulary.goal_codes)[:, -1]
        found = run.model.read(words, looked, LEVELS - 1).motion
        return tokenizer.normaliser.denormalise(found.float().cpu().numpy())

    own, others, truth = motion(rows[kept]), motion(other), data.chunks[rows[kept]]
    joints = ~np.asarray(tokenizer.normaliser.keep)
    moved = np.abs(own - others)[..., joints].mean((1, 2)) * 1e3
    error = [np.abs(told - truth)[..., joints].mean((1, 2)) for told in (own, others)]
    return torch.from_numpy(np.stack([moved, error[0] < error[1]], axis=1).astype(np.float32))


def _flow_motion(run: PolicyRun, states: SequenceStates) -> NDArray[np.float64]:
    """Return the chunks the flow head computes from the whole sequence."""
    head = run.model.flow_head
    assert head is not None
    sampled = head.sample(states.whole, states.mask)
    return run.tokenizer.normaliser.denormalise(sampled.float().cpu().numpy())
