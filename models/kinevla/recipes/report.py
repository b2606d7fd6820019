"""A dry run as text and as plain values."""

from __future__ import annotations

import dataclasses
from typing import Any

from kinevla.plain import to_plain
from kinevla.recipes.check import RecipeReport
from kinevla.recipes.recipe import Recipe

_GB = 1e9


def report_values(recipe: Recipe, report: RecipeReport) -> dict[str, Any]:
    """Return everything as plain values for JSON."""
    return {
        "recipe": dataclasses.asdict(recipe),
        "training": to_plain(recipe.training),
        **dataclasses.asdict(report),
        "public_total": report.public_total,
        "total_parameters": report.total_parameters,
        "trained_share": report.trained_parameters / report.total_parameters,
        "sequence_total": report.sequence.total,
        "memory_total": report.memory.total(checkpointing=report.checkpointing),
        "fits": report.fits,
    }


def report_text(name: str, recipe: Recipe, report: RecipeReport) -> str:
    """Return tables for people."""
    training, memory = recipe.training, report.memory
    lines = [
        f"{name}: {training.max_steps:,} steps of {training.batch_size} samples "
        f"({training.batch_size // training.processes} x {training.processes} GPUs, "
        f"{training.accumulation} part(s)), learning rate "
        f"{training.learning_rate:g} {training.schedule}",
        "",
        "parameters",
    ]
    rows = [
        *report.public_parameters.items(),
        ("public checkpoint", report.public_total),
        ("ours", report.own_parameters),
        (f"adapters on {report.adapted_layers} layers", report.lora_parameters),
        ("all", report.total_parameters),
    ]
    lines += [f"  {what:<28}{count:>16,}" for what, count in rows]
    share = report.trained_parameters / report.total_parameters
    lines += [f"  {'trained':<28}{report.trained_parameters:>16,} ({share:.2%})", ""]
    parts = ", ".join(f"{key} {value}" for key, value in dataclasses.asdict(report.sequence).items())
    lines += [
        f"longest sequence: {report.sequence.total} positions ({parts})",
        "",
        "shapes of one micro-batch",
    ]
    lines += [f"  {what:<28}{shape}" for what, shape in report.shapes.items()]
    lines += ["", "memory per GPU (GB, estimated)"]
    for label, size in (
        ("weights", memory.weights),
        ("gradients", memory.gradients),
        ("AdamW", memory.optimiser),
        ("logits", memory.logits),
        ("activations, all kept", memory.activations),
        ("activations, checkpointed", memory.activations_checkpointed),
        ("sum, all kept", memory.total(checkpointing=False)),
        ("sum, checkpointed", memory.total(checkpointing=True)),
    ):
        lines.append(f"  {label:<28}{size / _GB:>8.1f}")
    how = "checkpointed" if report.checkpointing else "all kept"
    verdict = "fits" if report.fits else "DOES NOT FIT"
    lines.append(f"  this recipe ({how}) {verdict} {report.gpu_memory / _GB:.0f} GB")
    return "\n".join(lines) + "\n"
