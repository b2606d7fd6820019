"""Reasoning texts for new instructions of the sentence patterns of the annotated tasks.

The wording is that of the paper's tables (see `annotation_rules`): the tasks of the real arm (Table 7) come
out character for character, those of LIBERO (Tables 5 and 6) up to punctuation, capitals and one slip of the
pen. A sentence outside the patterns is refused: a guessed text would teach the policy a wrong reason.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache

from kinevla.text.annotation_rules import CHOICES, RULES, Rule
from kinevla.text.instruction import capital, normalised

_SLOT = re.compile(r"\{(\w+)\}")
_NOUN = r"[a-z]+(?: [a-z]+){0,2}?"
_VALUE = r"[a-z][a-z -]*?"

PATTERNS = tuple(
    _SLOT.sub(lambda slot: slot[1].upper(), sentence) for rule in RULES for sentence in rule.sentences
)


class AnnotationError(ValueError):
    """A sentence the grammar does not cover; the text says why."""


@dataclass(frozen=True)
class Annotation:
    """The three texts of a task: instruction, goal level (coarse), kinematics level (fine)."""

    instruction: str
    coarse: str
    fine: str


def annotate(instruction: str) -> Annotation:
    """Write goal and kinematics texts for an instruction.

    Raises:
        AnnotationError: no pattern fits, or a region, part, side or the like is unknown; the text lists the
            known ones.
    """
    text = normalised(instruction)
    if not text:
        raise AnnotationError("the instruction is empty")
    reasons: list[str] = []
    for rule, sentence in _sentences():
        if match := sentence.fullmatch(text):
            found = _fill(rule, match.groupdict())
            if isinstance(found, str):
                reasons.append(found)
                continue
            return Annotation(text, *found)
    if reasons:
        raise AnnotationError(reasons[0])
    nearest = difflib.get_close_matches(text, PATTERNS, n=3, cutoff=0.0)
    raise AnnotationError(f"{instruction!r} follows no known pattern; the nearest are: {'; '.join(nearest)}")


@cache
def _sentences() -> tuple[tuple[Rule, re.Pattern[str]], ...]:
    return tuple((rule, _compiled(sentence)) for rule in RULES for sentence in rule.sentences)


def _compiled(sentence: str) -> re.Pattern[str]:
    """Turn a pattern into an expression with a group per slot; the same slot twice means the same words."""
    expression, end, seen = "", 0, set[str]()
    for slot in _SLOT.finditer(sentence):
        name = slot[1]
        expression += re.escape(sentence[end : slot.start()])
        kind = _VALUE if name in CHOICES else _NOUN
        expression += f"(?P={name})" if name in seen else f"(?P<{name}>{kind})"
        seen.add(name)
        end = slot.end()
    return re.compile(expression + re.escape(sentence[end:]))


def _fill(rule: Rule, said: dict[str, str]) -> tuple[str, str] | str:
    """Return goal and kinematics text for the words of a sentence, or what is wrong with them."""
    for name, value in said.items():
        if name in CHOICES and value not in CHOICES[name]:
            return f"{name} {value!r} is unknown, choose from {', '.join(CHOICES[name])}"
    thing, place = said.get("object"), said.get("place")
    if thing is not None and thing == place:
        return f"the {thing} cannot be placed on itself"
    if "head" in said and thing is not None and said["head"] not in thing.split():
        return f"the {thing} is held, but the {said['head']} is oriented"
    words = {name: CHOICES[name][value] if name in CHOICES else value for name, value in said.items()}
    words |= {f"Said {name}": capital(value) for name, value in said.items()}
    words |= {name: text.format_map(words) for name, text in rule.fixed.items()}
    words |= {capital(name): capital(value) for name, value in words.items() if name[0].islower()}
    return rule.coarse.format_map(words), rule.fine.format_map(words)
