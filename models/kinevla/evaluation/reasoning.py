"""How close the generated reasoning is to the annotated one: exact matches, BLEU, BERTScore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kinevla.backbone.pretrained import LANGUAGE


class ReasoningMetricError(RuntimeError):
    """A metric cannot be computed; the text says what is missing."""


@dataclass(frozen=True)
class ReasoningFigures:
    """Figures over all pairs of texts."""

    pairs: int
    exact: float  # share of texts equal to the annotation
    bleu: float  # corpus BLEU, 0..1 (sacrebleu, default tokenisation)
    bert_score_f1: float | None  # mean F1 of BERTScore, None where it was not computed
    bert_model: str | None


def bleu(candidates: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU in 0..1 as the paper reports it (4-grams, brevity penalty)."""
    import sacrebleu

    return float(sacrebleu.corpus_bleu(list(candidates), [list(references)]).score / 100.0)


def bert_score_f1(candidates: Sequence[str], references: Sequence[str], model: Path | None = None) -> float:
    """Mean BERTScore F1 (greedy matching of token embeddings, no rescaling).

    Each different pair is encoded once, so thousands of equal texts cost nothing.

    Args:
        model: directory of an encoder, None for the small one that comes as a package.

    Raises:
        ReasoningMetricError: the directory is no encoder.
        PretrainedError: the package is not installed.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    directory = model or LANGUAGE.path().parent
    if not (directory / "config.json").is_file():
        raise ReasoningMetricError(f"{directory} holds no config.json: it is no encoder")
    tokenizer = AutoTokenizer.from_pretrained(str(directory), local_files_only=True)
    encoder = AutoModel.from_pretrained(str(directory), local_files_only=True).eval()

    def embed(text: str) -> torch.Tensor:
        inputs = tokenizer(text, return_tensors="pt", truncation=True)
        with torch.inference_mode():
            hidden = encoder(**inputs).last_hidden_state[0]
        # The marks around the sentence are the same in every text and would only flatter the score.
        return torch.nn.functional.normalize(hidden[1:-1].float(), dim=-1)

    known: dict[str, torch.Tensor] = {}
    scores: dict[tuple[str, str], float] = {}
    for pair in zip(candidates, references, strict=True):
        if pair in scores:
            continue
        first, second = (known.setdefault(text, embed(text)) for text in pair)
        if len(first) == 0 or len(second) == 0:
            scores[pair] = float(len(first) == len(second))
            continue
        similarity = first @ second.T
        precision, recall = similarity.amax(1).mean(), similarity.amax(0).mean()
        scores[pair] = float(2 * precision * recall / (precision + recall))
    total = sum(scores[pair] for pair in zip(candidates, references, strict=True))
    return total / max(1, len(candidates))


def reasoning_figures(
    candidates: Sequence[str], references: Sequence[str], *, bert: bool = True, model: Path | None = None
) -> ReasoningFigures:
    """Compute all figures.

    Raises:
        ReasoningMetricError: no texts, or BERTScore asked for without an encoder.
    """
    if not candidates:
        raise ReasoningMetricError("there are no generated texts to compare")
    exact = sum(a == b for a, b in zip(candidates, references, strict=True)) / len(candidates)
    return ReasoningFigures(
        pairs=len(candidates),
        exact=exact,
        bleu=bleu(candidates, references),
        bert_score_f1=bert_score_f1(candidates, references, model) if bert else None,
        bert_model=str(model or LANGUAGE.module) if bert else None,
    )
