"""Runs written down: a TOML file per recipe, and a dry run of it (`kinevla recipe check`)."""

from __future__ import annotations

from kinevla.recipes.recipe import Recipe, RecipeError, find_recipe, read_recipe, recipe_names

__all__ = ["Recipe", "RecipeError", "find_recipe", "read_recipe", "recipe_names"]
