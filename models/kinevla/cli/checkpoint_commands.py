"""`kinevla checkpoint convert`."""

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

    source: Positional[Path]  # A checkpoint
    out: Path  # Where the converted one goes
    # Of the stored parameters; statistics keep full precision
    precision: Literal["fp32", "fp16", "bf16"] = "fp16"
    # Largest weight file, MiB; a single tensor that is larger has a file of its own
    shard_mib: float = 4096.0


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
