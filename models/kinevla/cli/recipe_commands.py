"""`kinevla recipe check`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from kinevla.cli.command import Exit, Outcome


@dataclass(frozen=True)
class CheckArgs:
    """Options of `kinevla recipe check`."""

    # TOML file, or the name of a recipe that comes with the package
    recipe: Annotated[str, tyro.conf.Positional]


def run_check(args: CheckArgs) -> Outcome:
    """Dry-run a recipe without its weights; fails when the estimate exceeds the GPU's memory."""
    from kinevla.recipes.check import check_recipe
    from kinevla.recipes.recipe import find_recipe, read_recipe
    from kinevla.recipes.report import report_text, report_values

    path = find_recipe(args.recipe)
    recipe = read_recipe(path)
    report = check_recipe(recipe)
    code = Exit.DONE if report.fits else Exit.FAILED
    return Outcome(report_text(path.stem, recipe, report), report_values(recipe, report), code)
