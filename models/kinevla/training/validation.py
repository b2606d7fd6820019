"""How good a policy is on held-out frames: texts, codes per level, and the motion the codes stand for."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from kinevla.actions import BiLevelTokenizer
from kinevla.backbone.model import KineVLAModel
from kinevla.generation.sequence import SequenceBuilder
from kinevla.training.dataset import PolicyData, token_batch
from kinevla.training.feature_cache import FeatureCache
from kinevla.training.objective import sequence_hidden

_BATCH = 64


@torch.no_grad()
def validate(
    model: KineVLAModel,
    data: PolicyData,
    cache: FeatureCache,
    builder: SequenceBuilder,
    tokenizer: BiLevelTokenizer,
    rows: NDArray[np.int64],
    bf16: bool,
) -> dict[str, float]:
    """Measure a policy on some rows.

    Codes are chosen one after the other from the policy's own earlier codes, as at run time, with the true
    reasoning in front. Reasoning accuracy is per id, each predicted from the true ids before it.

    Returns:
        reasoning_accuracy, code1_accuracy.. (the policy's code is the demonstration's), joint_l1_mrad of the
        decoded chunk against the demonstrated one, joint_l1_tokenizer_mrad (what exact codes would give),
        gripper_l1.
    """
    model.eval()
    vocabulary = builder.vocabulary
    blocks = [vocabulary.block(level) for level in vocabulary.levels()]
    right_words, words = 0, 0
    predicted = np.zeros((len(rows), len(blocks)), dtype=np.int64)
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        batch = token_batch(data, builder, part)
        features, state = cache.batch(part), torch.from_numpy(data.states[part])
        index = torch.arange(len(part))
        for stage, block in enumerate(blocks):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                before, _ = sequence_hidden(model, features, state, batch.ids, vocabulary.bos)
                if stage == 0:
                    guesses = model.logits(before[batch.reasoning]).argmax(-1)
                    right_words += int((guesses == batch.ids[batch.reasoning]).sum())
                    words += len(guesses)
                scores = model.logits(before[index, batch.code_positions[:, stage]]).float()
            choice = scores[:, block.start : block.stop].argmax(-1)
            batch.ids[index, batch.code_positions[:, stage]] = choice + block.start
            predicted[start : start + len(part), stage] = choice.numpy()
    model.train()
    joints = ~np.asarray(tokenizer.normaliser.keep)
    motion, best, truth = tokenizer.decode(predicted), tokenizer.decode(data.codes[rows]), data.chunks[rows]
    result = {"reasoning_accuracy": right_words / max(1, words)}
    for stage in range(len(blocks)):
        result[f"code{stage + 1}_accuracy"] = float((predicted[:, stage] == data.codes[rows, stage]).mean())
    result["joint_l1_mrad"] = float(np.abs(motion - truth)[..., joints].mean() * 1e3)
    result["joint_l1_tokenizer_mrad"] = float(np.abs(best - truth)[..., joints].mean() * 1e3)
    result["gripper_l1"] = float(np.abs(motion - truth)[..., ~joints].mean()) if (~joints).any() else 0.0
    return result
