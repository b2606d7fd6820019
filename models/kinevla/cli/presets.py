"""What `--preset NAME` means: default options for a command, and whether its inputs suit the preset.

`default` raises `UnknownNameError` for a name that is none, `check` a `UsageError` for what contradicts it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kinevla.bounded import read_json
from kinevla.cli.command import UsageError


class TrainingPresets:
    """Presets of `kinevla train`."""

    def default(self, name: str) -> Any:
        """Return a `PolicyTrainConfig` without paths (unchecked until the paths are there)."""
        import tyro

        from kinevla.configs import TRAININGS
        from kinevla.training.config import PolicyTrainConfig

        preset = TRAININGS.get(name)
        paths = {path: tyro.MISSING for path in ("data", "tokenizer", "out")}
        base = {"base": tyro.MISSING if preset.needs_base else None}
        return _unchecked(PolicyTrainConfig, preset.values() | paths | base)

    def check(self, name: str, args: Any) -> None:
        """Refuse a tokeniser of another kind than the preset's; a missing one is the loader's to name."""
        from kinevla.configs import TRAININGS

        path = Path(args.tokenizer) / "tokenizer.json"
        try:
            found = read_json(path).get("kind", "bilevel_rvq")
        except (OSError, ValueError, AttributeError):
            return
        preset = TRAININGS.get(name)
        if found != preset.tokenizer_kind:
            raise UsageError(
                f"preset {name!r} needs a {preset.tokenizer_kind!r} tokeniser, {args.tokenizer} is of "
                f"kind {found!r} (kinevla tokenizer train --preset {preset.tokenizer})"
            )


class TokenizerPresets:
    """Presets of `kinevla tokenizer train`."""

    def default(self, name: str) -> Any:
        """Return the options of a tokeniser training, paths missing."""
        import tyro

        from kinevla.cli.tokenizer_commands import TrainArgs
        from kinevla.configs import TOKENIZERS

        preset = TOKENIZERS.get(name)
        missing: Any = tyro.MISSING
        return TrainArgs(
            data=missing, out=missing, kind=preset.kind, training=preset.training, chunks=preset.chunks
        )

    def check(self, name: str, args: Any) -> None:
        """Refuse another kind of tokeniser than the preset's."""
        from kinevla.configs import TOKENIZERS

        if args.kind != (kind := TOKENIZERS.get(name).kind):
            raise UsageError(f"preset {name!r} is a tokeniser of kind {kind!r}, --kind says {args.kind!r}")


def _unchecked(kind: type, values: dict[str, Any]) -> Any:
    # The defaults of a form that is still to be filled in: its own checks need the paths.
    form: Any = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(form, name, value)
    return form


PRESETS: dict[str, TrainingPresets | TokenizerPresets] = {
    "train": TrainingPresets(),
    "tokenizer train": TokenizerPresets(),
}
"""By name of the command."""
