from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "equations.md"


def defined(path: Path) -> set[str]:
    """Functions and classes of a file, methods as Class.method."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
    return names


@pytest.mark.skipif(not PAGE.is_file(), reason="the package was taken out of its repository")
def test_every_place_and_test_the_table_of_equations_names_exists() -> None:
    text = PAGE.read_text()
    places = re.findall(r"`([\w/]+\.py):([\w.]+)`", text)
    assert len(places) >= 12
    for file, name in places:
        assert name in defined(ROOT / "models" / "kinevla" / file), (file, name)
    tests = re.findall(r"`(test_\w+)`", text)
    assert len(tests) >= 12
    assert set(tests) <= defined(Path(__file__).parent / "test_equations.py")
    for file in re.findall(r"`(models/tests/[\w/]+\.py)`", text):
        assert (ROOT / file).is_file(), file


@pytest.mark.skipif(not PAGE.is_file(), reason="the package was taken out of its repository")
def test_every_test_of_an_equation_is_in_the_table() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    written = {n for n in defined(Path(__file__).parent / "test_equations.py") if n.startswith("test_eq_")}
    assert written - named <= {"test_eq_3_total"}
