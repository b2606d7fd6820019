from __future__ import annotations

import pytest

from kinevla.backbone.pretrained import LANGUAGE
from kinevla.evaluation.reasoning import (
    ReasoningMetricError,
    bert_score_f1,
    bleu,
    reasoning_figures,
)

TRUE = "Grasp first, then place. Carrot - Target handle (upper part)."
NEAR = "Grasp first, then place. Carrot - Target handle (lower part)."
FAR = "the kettle sings of summer rain"


def test_bleu_is_one_for_equal_texts_and_falls_with_every_wrong_word():
    assert bleu([TRUE], [TRUE]) == pytest.approx(1.0)
    assert bleu([FAR], [TRUE]) < 0.1 < bleu([NEAR], [TRUE]) < 1.0


def test_bert_score_orders_texts_by_meaning():
    assert bert_score_f1([TRUE], [TRUE]) == pytest.approx(1.0, abs=1e-5)
    near, far = bert_score_f1([NEAR], [TRUE]), bert_score_f1([FAR], [TRUE])
    assert far < 0.6 < near < 1.0


def test_bert_score_is_the_mean_over_pairs():
    both = bert_score_f1([TRUE, FAR], [TRUE, TRUE])
    assert both == pytest.approx((1.0 + bert_score_f1([FAR], [TRUE])) / 2, abs=1e-5)


def test_bert_score_equals_a_direct_computation():
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(LANGUAGE.path().parent))
    encoder = AutoModel.from_pretrained(str(LANGUAGE.path().parent)).eval()
    hidden = []
    for text in (NEAR, TRUE):
        with torch.no_grad():
            hidden.append(encoder(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 1:-1])
    cosine = torch.tensor(
        [[float(torch.dot(a, b) / (a.norm() * b.norm())) for b in hidden[1]] for a in hidden[0]]
    )
    precision, recall = float(cosine.max(1).values.mean()), float(cosine.max(0).values.mean())
    expected = 2 * precision * recall / (precision + recall)
    assert bert_score_f1([NEAR], [TRUE]) == pytest.approx(expected, abs=1e-5)


def test_a_directory_without_an_encoder_is_named(tmp_path):
    with pytest.raises(ReasoningMetricError, match=str(tmp_path)):
        bert_score_f1([TRUE], [TRUE], tmp_path)


def test_exact_share_counts_equal_texts():
    figures = reasoning_figures([TRUE, NEAR], [TRUE, TRUE], bert=False)
    assert (figures.pairs, figures.exact, figures.bert_score_f1) == (2, 0.5, None)
