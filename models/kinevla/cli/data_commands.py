"""`kinevla data generate` and `kinevla data views`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinevla.cli.command import Exit, Outcome
from kinevla.data.plugins import ENVIRONMENT_ID, EXPERT, RANDOM_VIEWS


@dataclass(frozen=True)
class GenerateArgs:
    """Options of `kinevla data generate`."""

    out: Path
    """Data set directory; an unfinished one is continued."""
    episodes_per_task: int = 50
    """Successful demonstrations wanted per task."""
    tasks: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    """Task numbers."""
    seed: int = 0
    """Seed of the data set."""
    workers: int = 2
    """Processes."""
    noise: bool = True
    """Disturb part of the demonstrations, so that they show how to recover."""
    noise_share: float = 0.5
    """Share of disturbed demonstrations."""
    max_minutes: float | None = None
    """Minutes of this call, None for no bound; the same command goes on where it stopped."""
    environment_id: str = ENVIRONMENT_ID
    """Gymnasium id, module:namespace/Name-v0."""
    expert: str = EXPERT
    """Scripted expert, module:Class."""
    progress: bool = True
    """Show a progress bar."""


def run_generate(args: GenerateArgs) -> Outcome:
    """Generate demonstrations and report what came out."""
    from kinevla.data.demonstrations import DemonstrationConfig
    from kinevla.data.generate import GenerateConfig, generate
    from kinevla.data.noise import NoiseConfig
    from kinevla.manifest import to_plain

    demonstration = DemonstrationConfig(
        environment_id=args.environment_id,
        expert=args.expert,
        noise=NoiseConfig(share=args.noise_share) if args.noise else None,
    )
    report = generate(
        GenerateConfig(
            out=args.out,
            demonstration=demonstration,
            tasks=args.tasks,
            episodes_per_task=args.episodes_per_task,
            seed=args.seed,
            workers=args.workers,
            max_minutes=args.max_minutes,
        ),
        progress=args.progress,
    )
    return Outcome(report.text(), to_plain(report), Exit.DONE if report.complete else Exit.UNFINISHED)


@dataclass(frozen=True)
class ViewsArgs:
    """Options of `kinevla data views`."""

    out: Path
    """Directory of shards; an unfinished one is continued."""
    count: int = 14_000
    """Views wanted, rounded up to whole shards."""
    seed: int = 0
    """Seed of the set."""
    workers: int = 2
    """Processes."""
    max_minutes: float | None = None
    """Minutes of this call, None for no bound; the same command goes on where it stopped."""
    source: str = RANDOM_VIEWS
    """Where views come from, module:function."""
    shard_size: int = 500
    """Views per file."""
    progress: bool = True
    """Show a progress bar."""


def run_views(args: ViewsArgs) -> Outcome:
    """Render views and report how many there are."""
    from kinevla.data.views import ViewsConfig, generate_views

    config = ViewsConfig(
        out=args.out,
        count=args.count,
        seed=args.seed,
        workers=args.workers,
        max_minutes=args.max_minutes,
        source=args.source,
        shard_size=args.shard_size,
    )
    held, wanted = generate_views(config, progress=args.progress)
    text = f"{held} of {wanted} views in {args.out}"
    figures = {"views": held, "wanted": wanted, "out": str(args.out)}
    if held < wanted:
        text += "\nnot complete: run the same command again to go on"
    return Outcome(text, figures, Exit.DONE if held >= wanted else Exit.UNFINISHED)
