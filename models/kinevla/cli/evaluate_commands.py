"""`kinevla evaluate`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from kinevla.evaluation.config import EvaluateConfig


@dataclass(frozen=True)
class EvaluateArgs(EvaluateConfig):
    """Options of `kinevla evaluate`."""

    rerun: Path | None = None
    """Repeat the evaluation of this directory or manifest.json into --out, with its options."""
    json: bool = False
    """Print the figures as JSON."""

    def __post_init__(self) -> None:
        if self.rerun is None:
            super().__post_init__()


def run_evaluate(args: EvaluateArgs) -> int:
    """Run the trials and print the figures; 3 when the time budget ended before the trials."""
    from dataclasses import fields

    from kinevla.evaluation.runner import REPORT_NAME, config_of, differences, evaluate
    from kinevla.manifest import to_plain

    if args.rerun is not None:
        config = config_of(args.rerun, args.out)
    else:
        config = EvaluateConfig(**{item.name: getattr(args, item.name) for item in fields(EvaluateConfig)})
    outcome = evaluate(config)
    if outcome.summary is None:
        print("no trial was finished: run the same command again to go on", file=sys.stderr)
        return 3
    if args.json:
        print(json.dumps(to_plain(outcome.summary), ensure_ascii=False))
    else:
        print(outcome.summary.text())
        print(f"report: {config.out / REPORT_NAME}")
    if not outcome.complete:
        print(
            f"{len(outcome.results)} of {outcome.wanted} trials: run the same command again to go on",
            file=sys.stderr,
        )
        return 3
    if args.rerun is not None:
        changed = differences(args.rerun, config.out)
        print("\n".join(changed) or "every verdict is the same", file=sys.stderr)
        return 1 if changed else 0
    return 0
