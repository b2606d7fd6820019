"""How sure a network is of what it writes about sentences it may act on: the limit of the gate."""

from __future__ import annotations

import numpy as np
import torch

from kinevla.text.wordings import WORDINGS, draw_wording
from kinevla.training.inputs import on_device, visual_features
from kinevla.training.objective import writer_states
from kinevla.training.policy_run import PolicyRun
from kinevla.training.writing import WriterBatch

_SENTENCES, _BATCH = 256, 32
_QUANTILE, _FLOOR_NAT = 0.985, 0.3


@torch.no_grad()
def doubt_limit_nat(run: PolicyRun) -> float:
    """Return how unlikely the least likely word of a text may be, nat.

    It is what all but 1.5 % of new wordings of the training's instructions stay below, in front of
    held-out frames; infinite for a network whose instruction stands in its own vocabulary.
    """
    if not run.model.config.reads_alone or not run.config.reasoning:
        return float("inf")
    model, data = run.model, run.data
    model.eval()
    rng = np.random.default_rng([run.config.seed, 17])
    frames = data.val if len(data.val) else data.train
    rows = rng.choice(frames, _SENTENCES)
    doubts = []
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        batch = on_device(run.layout.batch(part), model.device)
        # Seeds beyond those of the training: other draws, though from the same grammar.
        sentences = tuple(
            draw_wording(
                data.texts[int(data.text[row])][0], np.random.default_rng([WORDINGS + int(row), start])
            )
            for row in part
        )
        state = torch.from_numpy(data.states[part]).to(model.device)
        with torch.autocast(model.device.type, torch.bfloat16, enabled=run.config.bf16):
            features = visual_features(model, on_device(run.inputs.read(part, None), model.device))
            writing = WriterBatch(torch.arange(len(part)), sentences, batch.ids, batch.reasoning)
            seen = model.observe(features, state, run.past(part))
            before = writer_states(model, seen, writing, run.builder.vocabulary.bos)
            scores = model.logits(before).float().log_softmax(-1)
        said = scores.gather(-1, batch.ids.unsqueeze(-1)).squeeze(-1).masked_fill(~batch.span, 0.0)
        doubts.append(-said.amin(1))
    return max(_FLOOR_NAT, float(torch.cat(doubts).quantile(_QUANTILE)))
