"""What others call things cannot write lines of its own into a log, colour it or fill it."""

from __future__ import annotations

import pytest

from kine_nodes.status import MAX_VALUES, key_values
from kine_nodes.texts import listed, printable, text_problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("joint_1", "joint_1"),
        ("Gelenk größer 関節", "Gelenk größer 関節"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred\x07\x00", "\\x1b[31mred\\x07\\x00"),
        ("\u202eevil\u200b\ufeff", "\\u202eevil\\u200b\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        (7, "7"),
        (None, "None"),
    ],
)
def test_what_is_not_printable_is_escaped_and_the_rest_is_as_it_was(text: object, expected: str):
    assert printable(text) == expected
    assert printable(text).isprintable()


@pytest.mark.parametrize("text", ["x" * 5_000_000, "\n" * 5_000_000, "\x1b" * 299, "ü" * 301])
def test_a_long_text_is_cut_to_its_bound_and_says_how_long_it_was(text: str):
    shown = printable(text, 300)
    assert len(shown) <= 300 and shown.isprintable()
    assert shown.endswith(f"... ({len(text)} characters)")
    assert printable("x" * 300, 300) == "x" * 300


def test_many_names_are_the_first_ones_and_a_count():
    assert listed(["a", "b\n"]) == "a, b\\n"
    assert listed([f"n{i}" for i in range(50_000)], 3) == "n0, n1, n2 and 49997 more"
    assert len(listed(["x" * 100_000] * 50_000)) < 1000


def test_diagnostic_values_are_bounded_in_number_and_length():
    values = key_values({f"key\n{i}": "v\x1b" * 1000 for i in range(5000)})
    assert len(values) == MAX_VALUES
    assert all(len(pair.key) <= 128 and pair.key.isprintable() for pair in values)
    assert all(len(pair.value) <= 500 and pair.value.isprintable() for pair in values)
    assert key_values({"a": 1.5})[0].value == "1.5"


def test_a_text_to_be_stored_names_what_is_wrong_with_it():
    assert text_problem("a good note", 20) == ""
    assert text_problem("x" * 21, 20) == "has 21 characters, at most 20 are allowed"
    assert text_problem("a\x1bb", 20) == "holds U+001B at position 1"
