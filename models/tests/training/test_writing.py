"""What the writer is shown: other words or sentences to refuse, and what it has to write about them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from kinevla.generation.grammar import Cursor
from kinevla.text.unclear import UNCLEAR
from kinevla.text.wordings import WORDINGS, numbered_wording
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.policy_run import PolicyRun, prepare_run
from kinevla.training.samples import StepSamples, iterate_steps
from kinevla.training.writing import WriterBatch, writer_batch

from .conftest import tiny_run

ALL: dict[str, object] = {"unclear_share": 0.0, "absent_share": 0.0, "variant_share": 1.0}


@pytest.fixture(scope="module")
def run(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> PolicyRun:
    return prepare_run(tiny_run(workplace, tmp_path_factory.mktemp("writing") / "run"))


def written(run: PolicyRun, seed: int = 0, count: int = 48, **changes: object) -> WriterBatch:
    shares = PolicyTrainConfig(Path("d"), Path("t"), Path("o"), **(ALL | changes))  # type: ignore[arg-type]
    return writer_batch(run.layout, run.data.train[:count], np.arange(count), shares, seed)


def texts_of(run: PolicyRun, batch: WriterBatch) -> list[str]:
    """The goal text of each row."""
    vocabulary = run.builder.vocabulary
    end = vocabulary.delimiter("</goal>")
    rows = (ids.tolist() for ids in batch.ids)
    return [run.builder.decode_text(ids[1 : ids.index(end)]) for ids in rows]


def test_what_is_drawn_follows_from_the_seed(run: PolicyRun) -> None:
    first, again, other = (written(run, seed, unclear_share=0.5) for seed in (0, 0, 1))
    assert first.sentences == again.sentences and torch.equal(first.ids, again.ids)
    assert first.sentences != other.sentences


def firsts(batch: WriterBatch) -> list[int]:
    """Places of the sentences whose picture no sentence before them has."""
    return [int(torch.argmax((batch.rows == row).int())) for row in batch.rows.unique()]


def test_an_instruction_in_other_words_asks_for_the_same_text(run: PolicyRun) -> None:
    batch = written(run)
    told = texts_of(run, batch)
    changed = 0
    for place in firsts(batch):
        own = run.data.texts[int(run.data.text[run.data.train[int(batch.rows[place])]])]
        assert told[place] == own[1]
        assert batch.sentences[place] in {numbered_wording(own[0], number) for number in range(WORDINGS)}
        changed += batch.sentences[place] != own[0]
    assert changed > 20


def test_it_is_followed_by_the_one_most_like_it_in_the_same_words_before_the_same_picture(
    run: PolicyRun,
) -> None:
    batch, data = written(run, variant_share=0.0), run.data
    twins = sorted(set(range(48)) - set(firsts(batch)))
    assert len(twins) == 24
    for place in twins:
        assert batch.rows[place] == batch.rows[place - 1]
        like = data.like_text[int(data.text[data.train[int(batch.rows[place])]])]
        assert like is not None and batch.sentences[place] == data.texts[like][0]
        assert not torch.equal(batch.ids[place], batch.ids[place - 1])
    one, other = (data.texts[text] for text in (0, data.like_text[0] or 0))
    assert one != other and one[1] == other[1]


def test_the_codes_behind_the_texts_are_those_of_the_demonstration(run: PolicyRun) -> None:
    batch, vocabulary = written(run), run.builder.vocabulary
    for picture, ids, spoken in zip(batch.rows.tolist(), batch.ids, batch.spoken, strict=True):
        row = run.data.train[picture]
        cursor = Cursor(run.builder.grammar)
        for token in ids.tolist():
            if not cursor.done:
                cursor.advance(token)
        assert cursor.done and cursor.all_codes() == tuple(run.data.codes[row])
        assert not bool(spoken[ids >= vocabulary.code_start].any())


def test_about_a_sentence_to_refuse_nothing_but_the_reason_is_written(run: PolicyRun) -> None:
    batch = written(run, unclear_share=1.0)
    assert set(texts_of(run, batch)) <= set(UNCLEAR.values())
    ends = batch.ids == run.builder.vocabulary.delimiter("</goal>")
    assert torch.equal(batch.spoken.sum(1), ends.int().argmax(1) + 1)


def test_a_thing_of_another_scene_is_said_to_be_absent(run: PolicyRun) -> None:
    batch = written(run, absent_share=1.0)
    assert set(texts_of(run, batch)) == {UNCLEAR["absent"]}
    own = {run.data.texts[int(run.data.text[row])][0] for row in run.data.train[:1]}
    assert batch.sentences[0] not in {numbered_wording(text, n) for text in own for n in range(WORDINGS)}


def test_a_batch_in_parts_has_the_sentences_of_the_whole(workplace: Path, tmp_path: Path) -> None:
    changes = {"reasoning_loss_fraction": 0.5, "unclear_share": 0.4}
    config = tiny_run(workplace, tmp_path / "run", accumulation=2, **changes)
    made = prepare_run(config)
    whole = StepSamples(made.layout, made.inputs, tiny_run(workplace, tmp_path / "run", **changes))
    (one,) = next(islice(iterate_steps(whole, 3, 0), 1))
    pieces = [
        part
        for process in range(2)
        for part in next(iterate_steps(StepSamples(made.layout, made.inputs, config, process, 2), 3, 0))
    ]
    assert one.writing is not None
    # Four parts of four samples, two of them with a sentence; process 0 has the first and the third part.
    found = [pieces[0], pieces[2], pieces[1], pieces[3]]
    assert [len(part.writing.sentences) for part in found if part.writing] == [2, 2, 2, 2]
    assert sum((part.writing.sentences for part in found if part.writing), ()) == one.writing.sentences
    for number, part in enumerate(found):
        assert part.writing is not None
        rows = one.writing.rows[2 * number : 2 * number + 2]
        assert torch.equal(part.writing.rows + 4 * number, rows)
        assert part.positions.reasoning == pytest.approx(one.positions.reasoning / 4)
