from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kinevla.actions import ActionNormaliser, BiLevelTokenizer, BinTokenizer, TokenizerError
from kinevla.data.chunks import ChunkConfig, build_chunks
from kinevla.data.episodes import EpisodeReader
from kinevla.text import Vocabulary
from kinevla.training.code_embeddings import seed_code_embeddings
from kinevla.training.code_noise import CodeNoise
from kinevla.training.dataset import token_batch
from kinevla.training.policy_run import prepare_run

from .conftest import tiny_run


@pytest.fixture(scope="module")
def tokenizer(workplace: Path) -> BiLevelTokenizer:
    return BiLevelTokenizer.load(workplace / "tokenizer")


@pytest.fixture(scope="module")
def chunks(workplace: Path, tokenizer: BiLevelTokenizer) -> np.ndarray:
    return build_chunks(EpisodeReader(workplace / "demos"), tokenizer.chunk_config).chunks


def layout(tokenizer: BiLevelTokenizer) -> Vocabulary:
    return Vocabulary.after_text(
        100, codebook_size=tokenizer.codebook_size, goal_codes=2, kinematics_codes=2, bos=1, eos=2, pad=0
    )


def test_without_noise_context_and_labels_are_the_tokenizers_codes(
    tokenizer: BiLevelTokenizer, chunks: np.ndarray
) -> None:
    noise = CodeNoise(tokenizer, layout(tokenizer))
    context, labels = noise.draw(noise.latents(chunks), 0.0, torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(context.numpy(), tokenizer.encode(chunks))
    assert torch.equal(context, labels)


def test_later_labels_make_up_for_a_wrong_first_code(tokenizer: BiLevelTokenizer, chunks: np.ndarray) -> None:
    noise = CodeNoise(tokenizer, layout(tokenizer))
    latents = noise.latents(chunks)
    context, labels = noise.draw(latents, 1.0, torch.Generator().manual_seed(0))
    assert bool((context[:, 0] != labels[:, 0]).all())
    books = tokenizer.network.codebooks()["goal"]
    left = latents - books[0][context[:, 0]]
    repaired = left - books[1][labels[:, 1]]
    unaware = left - books[1][torch.from_numpy(tokenizer.encode(chunks))[:, 1]]
    assert float(repaired.norm(dim=1).mean()) < float(unaware.norm(dim=1).mean())
    assert bool((repaired.norm(dim=1) <= unaware.norm(dim=1) + 1e-5).all())


def test_the_batch_holds_the_noisy_codes_and_predicts_the_right_ones(workplace: Path, tmp_path: Path) -> None:
    run = prepare_run(tiny_run(workplace, tmp_path / "run"))
    rows = run.data.train[:8]
    codes = run.code_noise.draw(run.latents[rows], 1.0, torch.Generator().manual_seed(1))
    batch = token_batch(run.data, run.builder, rows, None, codes)
    vocabulary = run.builder.vocabulary
    placed = torch.gather(batch.ids, 1, batch.code_positions)
    for stage, level in enumerate(vocabulary.levels()):
        block = vocabulary.block(level)
        assert torch.equal(placed[:, stage] - block.start, codes[0][:, stage])
        assert torch.equal(batch.code_labels[:, stage] - block.start, codes[1][:, stage])


def test_codes_of_similar_motion_start_with_similar_embeddings(workplace: Path, tmp_path: Path) -> None:
    run = prepare_run(tiny_run(workplace, tmp_path / "run"))
    seed_code_embeddings(run.model, run.builder.vocabulary, run.tokenizer)
    level = run.builder.vocabulary.levels()[0]
    block = run.builder.vocabulary.block(level)
    rows = run.model.language_model.model.embed_tokens.weight[block.start : block.stop].detach()
    book = run.tokenizer.network.codebooks()["goal"][0]
    meant, found = torch.cdist(book, book).flatten(), torch.cdist(rows, rows).flatten()
    assert float(torch.corrcoef(torch.stack([meant, found]))[0, 1]) > 0.9


def test_bins_have_no_code_noise_but_seeded_embeddings(workplace: Path, tmp_path: Path) -> None:
    run = prepare_run(tiny_run(workplace, tmp_path / "run"))
    actions = np.array([[-1.0, 0.0], [1.0, 1.0]])
    bins = BinTokenizer(ActionNormaliser.fit(actions), ChunkConfig(horizon=2), 0.1, codebook_size=16)
    assert CodeNoise.possible(run.tokenizer)
    assert not CodeNoise.possible(bins)
    with pytest.raises(TokenizerError, match="'bins'"):
        CodeNoise(bins, run.builder.vocabulary)
    block = run.builder.vocabulary.block(run.builder.vocabulary.levels()[0])
    before = run.model.language_model.lm_head.weight.detach().clone()
    seed_code_embeddings(run.model, run.builder.vocabulary, bins)
    after = run.model.language_model.lm_head.weight.detach()
    rows = after[block.start : block.stop]
    near, far = (rows[0] - rows[1]).norm(), (rows[0] - rows[15]).norm()
    assert near < 0.2 * far
    assert torch.equal(after[block.stop :], before[block.stop :])


def test_code_noise_refuses_a_layout_of_other_stages(tokenizer: BiLevelTokenizer) -> None:
    other = Vocabulary.after_text(
        100, codebook_size=16, goal_codes=1, kinematics_codes=1, bos=1, eos=2, pad=0
    )
    with pytest.raises(TokenizerError, match="4 codes per chunk, the vocabulary 2"):
        CodeNoise(tokenizer, other)


def test_kinematics_codes_lead_from_a_shared_goal_to_the_motion(
    tokenizer: BiLevelTokenizer, chunks: np.ndarray
) -> None:
    noise = CodeNoise(tokenizer, layout(tokenizer))
    latents = noise.latents(chunks)
    coarse = latents.mean(0, keepdim=True).expand_as(latents)
    _, labels = noise.draw(latents, 0.0, torch.Generator().manual_seed(0), coarse)
    assert len(labels[:, :2].unique(dim=0)) == 1, "one goal, one pair of goal codes"
    assert len(labels[:, 2:].unique(dim=0)) > 1
    goal = tokenizer.network.latent_of_codes(labels[:, :2])
    reached = tokenizer.network.latent_of_codes(labels)
    assert float((reached - latents).norm(dim=1).mean()) < float((goal - latents).norm(dim=1).mean())
