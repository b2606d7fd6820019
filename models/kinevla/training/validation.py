"""How good a policy is on held-out frames: texts, codes per level, and the motion it stands for."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.backbone.features import VisualFeatures
from kinevla.training.dataset import TokenBatch, token_batch
from kinevla.training.inputs import on_device, visual_features
from kinevla.training.objective import SequenceStates, code_logits, prefix_mask, sequence_states
from kinevla.training.policy_run import PolicyRun

_BATCH = 64


@torch.no_grad()
def validate(run: PolicyRun, rows: NDArray[np.int64]) -> dict[str, float]:
    """Measure a policy on some rows; the network comes back in evaluation mode.

    Codes are chosen one after the other from the policy's own earlier codes, as at run time, with the true
    reasoning in front. Reasoning accuracy is per id, each predicted from the true ids before it.

    Returns:
        reasoning_accuracy, code1_accuracy.. (the policy's code is the demonstration's), joint_l1_mrad of the
        chunk against the demonstrated one, joint_l1_tokenizer_mrad (what exact codes would give), gripper_l1.
        With the flow head there are no code accuracies.
    """
    model, data, tokenizer = run.model, run.data, run.tokenizer
    model.eval()
    device = model.state_scale.device
    right, words = 0, 0
    motion, codes = [], []
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        batch = on_device(token_batch(data, run.builder, part), device)
        state = torch.from_numpy(data.states[part]).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=run.config.bf16):
            features = visual_features(model, on_device(run.inputs.read(part, None), device), state)
            states = sequence_states(model, features, state, batch.ids, run.builder.vocabulary.bos)
            guesses = model.logits(states.before[batch.reasoning]).argmax(-1)
            right += int((guesses == batch.ids[batch.reasoning]).sum())
            words += len(guesses)
            if model.flow_head is not None:
                motion.append(_flow_motion(run, states, batch))
            else:
                codes.append(_choose_codes(run, features, state, batch, states))
                motion.append(tokenizer.decode(codes[-1]))
    result = {"reasoning_accuracy": right / max(1, words)}
    if codes:
        hits = (np.concatenate(codes) == data.codes[rows]).mean(0)
        result |= {f"code{stage + 1}_accuracy": float(share) for stage, share in enumerate(hits)}
    truth = data.chunks[rows]
    joints = ~np.asarray(tokenizer.normaliser.keep)
    error = np.abs(np.concatenate(motion) - truth)
    exact = np.abs(tokenizer.decode(data.codes[rows]) - truth)
    result["joint_l1_mrad"] = float(error[..., joints].mean() * 1e3)
    result["joint_l1_tokenizer_mrad"] = float(exact[..., joints].mean() * 1e3)
    result["gripper_l1"] = float(error[..., ~joints].mean()) if (~joints).any() else 0.0
    return result


def _choose_codes(
    run: PolicyRun, features: VisualFeatures, state: Tensor, batch: TokenBatch, states: SequenceStates
) -> NDArray[np.int64]:
    """Choose the codes of a batch greedily, each after the policy's own; the first follows from `states`."""
    model, vocabulary = run.model, run.builder.vocabulary
    ids = batch.ids.clone()
    index = torch.arange(len(ids), device=ids.device)
    blocks = [vocabulary.block(level) for level in vocabulary.levels()]
    chosen = []
    for stage, level in enumerate(vocabulary.levels()):
        if stage:
            states = sequence_states(model, features, state, ids, vocabulary.bos)
        block = vocabulary.block(level)
        places = batch.code_positions[:, stage]
        scores = code_logits(model, states, ids, batch.code_positions[:, : stage + 1], blocks)[:, -1]
        choice = scores[:, block.start : block.stop].argmax(-1)
        ids[index, places] = choice + block.start
        chosen.append(choice.cpu().numpy())
    return np.stack(chosen, axis=1)


def _flow_motion(run: PolicyRun, states: SequenceStates, batch: TokenBatch) -> NDArray[np.float64]:
    """Return the chunks the flow head computes from the whole sequence."""
    head = run.model.flow_head
    assert head is not None
    sampled = head.sample(states.whole, prefix_mask(run.model, states, batch.ids))
    return run.tokenizer.normaliser.denormalise(sampled.float().cpu().numpy())
