"""The things of the language's catalogue; each is one file of this folder and one row of the catalogue."""

from __future__ import annotations

from importlib import import_module

from kine_sim.bench.things.thing import Grasp, Thing
from kinevla.text.language.instruction import CATALOGUE

__all__ = ["THINGS", "Grasp", "Thing"]

THINGS: dict[str, Thing] = {name: import_module(f"kine_sim.bench.things.{name}").THING for name in CATALOGUE}
"""By name, in the order of the catalogue."""
