"""`kinevla checkpoint convert` and `kinevla checkpoint towers`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from kinevla.cli.command import Outcome

_MIB = 1 << 20


@dataclass(frozen=True)
class ConvertArgs:
    """Options of `kinevla checkpoint convert`."""

    source: Positional[Path]
    """A checkpoint."""
    out: Path
    """Where the converted one goes."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp16"
    """Of the stored parameters; statistics keep full precision."""
    shard_mib: float = 4096.0
    """Largest weight file, MiB; a single tensor that is larger has a file of its own."""


def run_convert(args: ConvertArgs) -> Outcome:
    """Write a checkpoint again in another precision or in smaller files."""
    from kinevla.checkpoint import convert_checkpoint
    from kinevla.manifest import read_manifest
    from kinevla.weights import Storage

    if not 0.0 < args.shard_mib < float("inf"):
        raise ValueError(f"shard_mib must be positive and finite, got {args.shard_mib}")
    convert_checkpoint(args.source, args.out, Storage(args.precision, int(args.shard_mib * _MIB)))
    files = read_manifest(args.out)["files"]
    weights = {name: entry["bytes"] for name, entry in files.items() if name.endswith(".safetensors")}
    own = {name: size for name, size in weights.items() if "/" not in name}
    text = f"{args.out}: {len(own)} weight files, {sum(own.values()) / _MIB:.1f} MiB, {args.precision}"
    return Outcome(text, {"weights": own, "precision": args.precision, "out": str(args.out)})


@dataclass(frozen=True)
class TowersArgs:
    """Options of `kinevla checkpoint towers`."""

    source: Positional[Path]
    """A checkpoint whose towers were pretrained on keypoints."""
    out: Path
    """Where the towers go; `kinevla train --vision` takes them."""


def run_towers(args: TowersArgs) -> Outcome:
    """Write the towers of a checkpoint in the format of `kinevla vision train`."""
    from kinevla.bounded import read_json
    from kinevla.checkpoint import TRAINING_NAME, CheckpointError, load_checkpoint
    from kinevla.vision.checkpoint import save_vision

    model = load_checkpoint(args.source).model
    if model.config.geometry.tokens == 0:
        raise CheckpointError(f"{args.source} has no towers that find keypoints: there is nothing to take")
    report = read_json(args.source / TRAINING_NAME).get("vision", {})
    save_vision(
        args.out, model.vision_backbone, model.config, {"taken_from": args.source.name}, report,
        inputs={"checkpoint": args.source},
    )  # fmt: skip
    weights = sum(parameter.numel() for parameter in model.vision_backbone.parameters())
    return Outcome(f"{args.out}: towers of {weights / 1e6:.1f} M weights", {"weights": weights})
