"""Settings files that would take a computer down are refused with one sentence."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kine_nodes.files import parse_yaml, read_json, read_yaml

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LAUGHS, r"holds a reference \(\*a\)"),
        ("a: &a {b: *a}", r"holds a reference \(\*a\)"),
        ("[" * 100_000, "nested more than 32 deep"),
        ("".join(f"{' ' * n}a:\n" for n in range(300)), "nested more than 32 deep"),
        ("a: 1" + ":1" * 90_000, "a value has .* characters, the bound is 100"),
        ("a: 1" + "1" * 5000, "a value has .* characters"),
        ("a: x" + "x" * 300_000, "it has 300004 bytes, the bound is 262144"),
        ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("{ ] nothing", "expected the node content"),
        ("\0", "unacceptable character"),
    ],
    ids=["laughs", "itself", "deep", "deep block", "sexagesimal", "number", "large", "object", "cut", "zero"],
)
def test_a_yaml_text_that_stands_for_more_than_it_is_is_refused_at_once(text: str, told: str):
    began_s = time.monotonic()
    with pytest.raises(ValueError, match=told):
        parse_yaml(text)
    assert time.monotonic() - began_s < 20.0


def test_plain_values_are_read():
    text = "a: {b: [1, 2.5, x, true, null]}\nc: 'a long text " + "x" * 1000 + "'\n"
    assert parse_yaml(text)["a"] == {"b": [1, 2.5, "x", True, None]}
    assert len(parse_yaml(text.encode())["c"]) == 1012


def test_a_huge_or_deep_file_is_refused_before_it_is_read(tmp_path: Path):
    path = tmp_path / "a"
    with path.open("w") as stream:
        stream.truncate(5 << 30)
    with pytest.raises(ValueError, match="it has 5368709120 bytes, the bound is 262144"):
        read_yaml(path)
    with pytest.raises(ValueError, match="it has 5368709120 bytes, the bound is 4194304"):
        read_json(path)
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deep"):
        read_json(path)
    path.write_text('{"a": 1}')
    assert read_json(path) == read_yaml(path) == {"a": 1}
