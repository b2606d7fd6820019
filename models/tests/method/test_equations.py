"""Every equation of the paper against a plain computation of it, number by number."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from kinevla.actions.losses import reconstruction_loss, rvq_loss
from kinevla.actions.rvq_config import RvqVaeConfig
from kinevla.actions.rvq_vae import RvqVae
from kinevla.training.losses import coupling_loss, motion_distance, motion_weights, similarity
from kinevla.training.objective import sequence_states
from kinevla.training.writing import WriterBatch

from .conftest import WEIGHT, Sample, make_sample


def network(latent: int = 4, codes: int = 6, *, levels: tuple[int, int] = (2, 2), **sizes: float) -> RvqVae:
    """A residual VQ-VAE with random codebooks that are in use already."""
    config = RvqVaeConfig(
        horizon=3, dimensions=2, latent=latent, hidden=8, blocks=1, codebook_size=codes,
        goal_levels=levels[0], kinematics_levels=levels[1], dead_code_threshold=0.0, **sizes,  # type: ignore[arg-type]
    )  # fmt: skip
    made = RvqVae(config)
    for stack in (made.goal_stack, made.kinematics_stack):
        for layer in stack.layers if stack is not None else ():
            set_codebook(layer, torch.randn(codes, latent))
    return made.eval()


def set_codebook(layer: torch.nn.Module, vectors: Tensor) -> None:
    book = layer._codebook
    book.embed.data.copy_(vectors[None])
    book.embed_avg.data.copy_(vectors[None])
    book.cluster_size.data.fill_(1.0)
    book.initted.data.fill_(True)


def books_of(made: RvqVae) -> list[np.ndarray]:
    """All codebooks in order, goal levels first."""
    found = made.codebooks()
    return [book.numpy() for name in ("goal", "kinematics") if name in found for book in found[name]]


def residual_quantisation(latent: np.ndarray, books: list[np.ndarray]) -> tuple[list[int], list[np.ndarray]]:
    """Eq. 1 for one latent, as it stands in the paper: the codes k^(m) and the residuals r^(0..M)."""
    codes, residuals = [], [latent]
    for book in books:
        distances = [float(((residuals[-1] - vector) ** 2).sum()) for vector in book]
        codes.append(distances.index(min(distances)))
        residuals.append(residuals[-1] - book[codes[-1]])
    return codes, residuals


# Equations 1 and 2: residual quantisation, over both levels.


def test_eq_1_by_hand() -> None:
    made = network(latent=2, codes=2, levels=(1, 1))
    assert made.kinematics_stack is not None
    set_codebook(made.goal_stack.layers[0], torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    set_codebook(made.kinematics_stack.layers[0], torch.tensor([[0.5, 0.0], [0.0, -0.5]]))
    quantised = made.quantise(torch.tensor([[1.4, 0.1], [0.2, 0.6]]))
    # [1.4, .1] - [1, 0] = [.4, .1], nearest [.5, 0]; [.2, .6] - [0, 1] = [.2, -.4], nearest [0, -.5].
    assert quantised.codes.tolist() == [[0, 0], [1, 1]]
    torch.testing.assert_close(quantised.latent, torch.tensor([[1.5, 0.0], [0.0, 0.5]]))


def test_eq_1_each_code_is_the_nearest_to_what_the_codes_before_left_over() -> None:
    torch.manual_seed(0)
    made, latents = network(), torch.randn(40, 4)
    expected = [residual_quantisation(latent, books_of(made))[0] for latent in latents.numpy()]
    assert made.quantise(latents).codes.tolist() == expected


def test_eq_2_the_quantised_latent_is_the_sum_of_the_chosen_codes_of_both_levels() -> None:
    torch.manual_seed(1)
    made, latents = network(), torch.randn(40, 4)
    books = books_of(made)
    quantised = made.quantise(latents)
    sums = [sum(book[k] for book, k in zip(books, row, strict=True)) for row in quantised.codes.tolist()]
    np.testing.assert_allclose(quantised.latent.detach().numpy(), np.stack(sums), atol=1e-5)
    np.testing.assert_allclose(made.latent_of_codes(quantised.codes).numpy(), np.stack(sums), atol=1e-5)


# Equation 3: reconstruction, codebook and commitment terms.


def test_eq_3_reconstruction_is_the_papers_mean_over_frames_divided_by_the_dimensions() -> None:
    rng = np.random.default_rng(0)
    target, output = rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3, 2))
    per_chunk = [
        sum(float(np.abs(a[t] - b[t]).sum()) for t in range(3)) / 3
        for a, b in zip(target, output, strict=True)
    ]
    loss = reconstruction_loss(torch.from_numpy(output), torch.from_numpy(target))
    assert float(loss) * 2 == pytest.approx(sum(per_chunk) / 4)


def test_eq_3_commitment_sums_the_distances_of_all_levels() -> None:
    torch.manual_seed(2)
    made, latents = network(commitment=0.3), torch.randn(20, 4)
    books = books_of(made)
    expected = 0.0
    for latent in latents.numpy():
        codes, residuals = residual_quantisation(latent, books)
        for level, book in enumerate(books):
            expected += 0.3 * float(((residuals[level] - book[codes[level]]) ** 2).sum())
    made.train()
    commitment = made.quantise(latents).commitment
    # The library takes the mean over the latent's 4 numbers; the sum of the equation is 4 times that.
    assert float(commitment) * 4 == pytest.approx(expected / 20, rel=1e-4)


def test_eq_3_commitment_pulls_the_latent_to_its_codes_and_leaves_the_codes_alone() -> None:
    torch.manual_seed(3)
    made, latents = network(commitment=0.3, levels=(2, 0)), torch.randn(5, 4, requires_grad=True)
    books = books_of(made)
    made.train()
    made.quantise(latents).commitment.backward()
    assert latents.grad is not None
    for row, latent in enumerate(latents.detach().numpy()):
        codes, residuals = residual_quantisation(latent, books)
        pull = sum(2 * 0.3 * (residuals[m] - books[m][codes[m]]) / (5 * 4) for m in range(2))
        np.testing.assert_allclose(latents.grad[row].numpy(), pull, atol=1e-6)
    assert all(not book.requires_grad for book in made.goal_stack.codebooks)


def test_eq_3_the_codebooks_end_where_the_codebook_term_has_no_gradient() -> None:
    torch.manual_seed(4)
    made, latents = network(levels=(1, 0), ema_decay=0.8), torch.randn(200, 4)
    made.train()
    for _ in range(400):
        made.quantise(latents)
    made.eval()
    codes, book = made.quantise(latents).codes[:, 0], made.codebooks()["goal"][0]
    for code in codes.unique():
        # d/de sum ||sg(r) - e||^2 = 0 at the mean of the residuals that chose e.
        torch.testing.assert_close(book[code], latents[codes == code].mean(0), atol=1e-3, rtol=1e-3)


def test_eq_3_reconstruction_reaches_the_encoder_straight_through() -> None:
    torch.manual_seed(5)
    made, latents = network(), torch.randn(6, 4, requires_grad=True)
    made.train()
    quantised = made.quantise(latents)
    weight = torch.randn(6, 4)
    (gradient,) = torch.autograd.grad((quantised.latent * weight).sum(), latents)
    torch.testing.assert_close(gradient, weight)


def test_eq_3_total() -> None:
    assert float(rvq_loss(torch.tensor(0.4), torch.tensor(0.05))) == pytest.approx(0.45)


def test_stage_two_trains_the_kinematics_level_only() -> None:
    torch.manual_seed(6)
    made, latents = network(commitment=0.3), torch.randn(20, 4)
    before = books_of(made)
    made.freeze_goal()
    made.train()
    commitment = float(made.quantise(latents).commitment)
    expected = 0.0
    for latent in latents.numpy():
        codes, residuals = residual_quantisation(latent, before)
        expected += sum(0.3 * float(((residuals[m] - before[m][codes[m]]) ** 2).mean()) / 20 for m in (2, 3))
    assert commitment == pytest.approx(expected, rel=1e-4)
    after = books_of(made)
    assert all(np.array_equal(a, b) for a, b in zip(before[:2], after[:2], strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(before[2:], after[2:], strict=True))


# Equations 4 and 5: cross-entropies over both levels.


def surprise(sample: Sample, row: int, position: int) -> float:
    """-log p(id at a position | observation, instruction, all ids before it), from a run over nothing else.

    The instruction is in the ids, or read in front of them where a text is written. Codes do without it.
    """
    ids, model = sample.batch.ids[row], sample.model
    start = model.embed_ids(torch.tensor([sample.vocabulary.bos]))
    told = start[:0]
    if sample.writing is not None and bool(sample.batch.reasoning[row, position]):
        (told,) = model.told(sample.writing.sentences[row : row + 1])
    seen = sample.seen(slice(row, row + 1)).tokens[0]
    sequence = torch.cat([start, seen, told, model.embed_ids(ids[:position])])
    scores = model.logits(model.hidden_states(sequence[None])[0, -1]).double()
    return float(torch.logsumexp(scores, 0) - scores[ids[position]])


def test_eq_4_sums_over_the_ids_of_both_texts(sample: Sample) -> None:
    mark = sample.vocabulary.delimiter
    sums = []
    for row in range(len(sample.batch.ids)):
        ids = sample.batch.ids[row].tolist()
        positions = []
        for begin, end in (("<goal>", "</goal>"), ("<kin>", "</kin>")):
            positions += range(ids.index(mark(begin)), ids.index(mark(end)) + 1)
        # Delimiters of the code spans and the end are part of the term as well: they are text.
        positions += [
            ids.index(mark(name)) for name in ("<goal_act>", "</goal_act>", "<kin_act>", "</kin_act>")
        ]
        positions.append(ids.index(sample.vocabulary.eos))
        assert sorted(positions) == sample.batch.reasoning[row].nonzero().flatten().tolist()
        sums.append([surprise(sample, row, position) for position in positions])
    loss = sample.loss(reasoning_loss_fraction=1.0).reasoning
    # A mean over positions, or over texts where the instruction is read apart.
    count = len(sums) if sample.writing is not None else sum(len(row) for row in sums)
    assert float(loss) * count == pytest.approx(sum(map(sum, sums)), rel=1e-4)


def test_eq_5_sums_over_the_codes_of_both_levels(sample: Sample) -> None:
    vocabulary = sample.vocabulary
    total, count = 0.0, 0
    for row in range(len(sample.batch.ids)):
        for position, level in zip(
            sample.batch.code_positions[row].tolist(), vocabulary.levels(), strict=True
        ):
            # The id is the code's index, offset to its block at the tail of the vocabulary.
            assert int(sample.batch.ids[row, position]) in vocabulary.block(level)
            total += surprise(sample, row, position)
            count += 1
    assert count == 4 * len(sample.batch.ids)
    loss = sample.loss().action
    assert float(loss) * count == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("read", [(0, 1, 2, 3), (1, 3)])
def test_the_motion_term_is_the_weighted_distance_of_each_levels_motion(read: tuple[int, ...]) -> None:
    sample = make_sample("motion")
    model, batch, vocabulary = sample.model.requires_grad_(False), sample.batch, sample.vocabulary
    writing = sample.writing
    assert writing is not None
    rows = torch.tensor(read)
    some = WriterBatch(
        rows, tuple(writing.sentences[row] for row in read), batch.ids[rows], writing.spoken[rows]
    )
    total = 0.0
    for row in range(len(batch.ids)):
        seen = sample.seen(slice(row, row + 1))
        for level, first in enumerate((0, vocabulary.goal_codes)):
            if level == 0 and row not in read:
                continue  # The goal level is learned on the samples that the decoder writes for.
            place = int(batch.code_positions[row, first])
            words = batch.span[row, :place].clone()
            words[: int(batch.code_positions[row, 0]) if first else 0] = False
            told = batch.ids[row, :place][words][None]
            reading = model.read(told, seen, level)
            error = (reading.motion[0] - batch.chunks[row]).abs().numpy()
            total += sum(float(error[t, d] * WEIGHT[d]) for t in range(5) for d in range(8)) / 40
            ahead = (reading.keyframe[0] - model.normalise_state(batch.keyframes[row])).abs()
            total += 0.5 * sum(ahead.tolist()) / 8
    loss = dataclasses.replace(sample, writing=some).loss(coupling_weight=0.0, keyframe_weight=0.5)
    assert float(loss.action) == pytest.approx(total / len(batch.ids), rel=1e-4)


def test_an_error_of_a_joint_counts_in_rad_and_the_gripper_a_quarter_of_the_mean_joint() -> None:
    weight = motion_weights([0.1, 0.3, 1.0], [False, False, True])
    torch.testing.assert_close(weight / weight[0], torch.tensor([1.0, 3.0, 0.5]))
    assert float(weight.mean()) == pytest.approx(1.0)
    motion, chunks = torch.zeros(1, 1, 3), torch.tensor([[[1.0, -1.0, 2.0]]])
    expected = sum(float(w) * error for w, error in zip(weight, (1.0, 1.0, 2.0), strict=True)) / 3
    assert float(motion_distance(motion, chunks, weight)) == pytest.approx(expected)


# Equations 6 and 7: symmetric InfoNCE.


def info_nce(text: np.ndarray, action: np.ndarray, temperature: float) -> float:
    """Eq. 6 and 7 as they stand in the paper."""
    count = len(text)
    s = [[float(text[i] @ action[j]) / temperature for j in range(count)] for i in range(count)]
    total = 0.0
    for i in range(count):
        total += math.log(math.exp(s[i][i]) / sum(math.exp(s[i][j]) for j in range(count)))
        total += math.log(math.exp(s[i][i]) / sum(math.exp(s[j][i]) for j in range(count)))
    return -total / (2 * count)


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_eq_6_by_hand() -> None:
    text, action = torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, 5.0]])
    torch.testing.assert_close(similarity(text, action, 0.5), torch.tensor([[1.2, 1.6], [0.0, 2.0]]))


@pytest.mark.parametrize("negatives", ["other_texts", "all"])
def test_eq_7_where_all_texts_differ(negatives: str) -> None:
    rng = np.random.default_rng(0)
    text, action = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    loss = coupling_loss(
        torch.from_numpy(text), torch.from_numpy(action), torch.arange(5), 0.3, negatives  # type: ignore[arg-type]
    )  # fmt: skip
    assert float(loss) == pytest.approx(info_nce(unit(text), unit(action), 0.3), rel=1e-5)


def test_eq_7_to_the_letter_counts_equal_texts_as_negatives() -> None:
    rng = np.random.default_rng(1)
    text, action, group = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), torch.tensor([0, 0, 1, 1])
    values = torch.from_numpy(text), torch.from_numpy(action), group, 0.3
    assert float(coupling_loss(*values, "all")) == pytest.approx(
        info_nce(unit(text), unit(action), 0.3), rel=1e-5
    )
    # Left out of each denominator: the one other sample with the same text.
    s = unit(text) @ unit(action).T / 0.3
    kept = [[0, 2, 3], [1, 2, 3], [2, 0, 1], [3, 0, 1]]
    expected = 0.0
    for i, others in enumerate(kept):
        expected -= s[i, i] - math.log(sum(math.exp(s[i, j]) for j in others))
        expected -= s[i, i] - math.log(sum(math.exp(s[j, i]) for j in others))
    assert float(coupling_loss(*values)) == pytest.approx(expected / 8, rel=1e-5)


def test_eq_7_is_taken_between_the_pooled_words_and_the_pooled_codes(sample: Sample) -> None:
    model, batch = sample.model, sample.batch
    at = sequence_states(model, sample.seen(), batch.ids, sample.vocabulary.bos).at
    text, motion = [], []
    for row in range(len(batch.ids)):
        text.append(model.coupling_reasoning(at[row][batch.span[row]].mean(0)))
        motion.append(model.coupling_action(at[row][batch.code_positions[row]].mean(0)))
    expected = info_nce(
        unit(torch.stack(text).double().numpy()), unit(torch.stack(motion).double().numpy()), 0.07
    )
    loss = sample.loss(coupling_negatives="all")
    assert float(loss.coupling) == pytest.approx(expected, rel=1e-3)


def test_the_total_adds_the_three_terms_with_lambda(sample: Sample) -> None:
    loss = sample.loss(coupling_weight=0.3)
    assert float(loss.total) == pytest.approx(
        0.5 * float(loss.reasoning) + float(loss.action) + 0.3 * float(loss.coupling), rel=1e-5
    )
    assert min(float(loss.reasoning), float(loss.action), float(loss.coupling)) > 0.0
