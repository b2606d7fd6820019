"""`kinevla bench`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kinevla.cli.command import Outcome, UsageError


@dataclass(frozen=True)
class BenchArgs:
    """Options of `kinevla bench`."""

    checkpoint: Path = Path("models/checkpoints/nano")  # Policy to be timed
    # Time random weights of this size instead (nano, 7b, tiny), at 100, 50 and 0 % accepted draft
    config: str | None = None
    device: Literal["cpu", "cuda"] = "cpu"  # Where it runs
    # Type of the random weights of --config 7b; the small network is timed in fp32
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False  # Decoder with static shapes; on a GPU its passes are recorded as CUDA graphs
    repetitions: int = 30  # Timed plans of each kind
    warmup: int = 3  # Plans of each kind before that
    threads: int | None = None  # CPU threads; as torch chooses by default
    # Ids of the coarse and fine text with --config; by default the medians of the 48 annotated tasks
    text_tokens: tuple[int, int] | None = None
    # Sentence for --checkpoint; by default the annotated one whose reasoning has the median length
    instruction: str | None = None
    image_size: int = 480  # Side of the made-up camera frames, pixels
    demos: Path | None = None  # Frames of demonstrations (`kinevla data generate`) instead of made-up ones
    figure: Path | None = None  # Write a figure (stacked bars) here
    force: bool = False  # Try a network for which memory will probably not do
    seed: int = 0  # Of weights, frames and order


def run_bench(args: BenchArgs) -> Outcome:
    """Time plans and return tables and figures."""
    import torch

    from kinevla.bench.measure import measure
    from kinevla.bench.report import as_text, as_values, describe_machine, draw
    from kinevla.bench.subjects import (
        checkpoint_subject,
        demonstrated_observations,
        made_up_observations,
        random_subject,
    )

    if args.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no GPU here")
    if args.config is None and args.text_tokens is not None:
        raise UsageError("--text-tokens goes with --config: a checkpoint speaks for itself")
    if args.config is None and args.precision != "fp32":
        raise UsageError("--precision goes with --config: a checkpoint is timed in fp32")
    if args.config is not None and args.instruction is not None:
        raise UsageError("--instruction goes with --checkpoint: random weights understand none")
    if args.threads is not None:
        if args.threads < 1:
            raise UsageError(f"--threads must be at least 1, got {args.threads}")
        torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    dtype = torch.bfloat16 if args.precision == "bf16" else torch.float32
    if args.config is None:
        subject = checkpoint_subject(
            args.checkpoint, device, instruction=args.instruction, static=args.compile
        )
    else:
        subject = random_subject(
            args.config, device, dtype, text_tokens=args.text_tokens, static=args.compile,
            force=args.force, seed=args.seed,
        )  # fmt: skip
    if args.demos is not None:
        observations = demonstrated_observations(args.demos)
    else:
        observations = made_up_observations(
            subject.parts.model.config.state_dim, size=args.image_size, seed=args.seed
        )
    machine = describe_machine(device)
    figures = measure(subject, observations, args.repetitions, warmup=args.warmup, seed=args.seed)
    settings = {
        "precision": args.precision,
        "decoder": ("CUDA graphs" if args.device == "cuda" else "static") if args.compile else "eager",
        "frames": str(args.demos) if args.demos is not None else f"{args.image_size} px made up",
    }
    if args.figure is not None:
        draw(figures, machine, args.figure)
    return Outcome(as_text(figures, machine, settings), as_values(figures, machine, settings))
