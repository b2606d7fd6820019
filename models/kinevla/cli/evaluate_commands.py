"""`kinevla evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from kinevla.cli.command import Exit, Outcome
from kinevla.evaluation.config import EvaluateConfig


@dataclass(frozen=True)
class EvaluateArgs(EvaluateConfig):
    """Options of `kinevla evaluate`."""

    # Repeat the evaluation of this directory or manifest.json into --out, with its options
    rerun: Path | None = None
    # Another evaluation: the difference of both on the trials they share, pair by pair
    compare_with: Path | None = None

    def __post_init__(self) -> None:
        if self.rerun is None:
            super().__post_init__()


def run_evaluate(args: EvaluateArgs) -> Outcome:
    """Run the trials; not finished when the time budget ended before them."""
    from kinevla.evaluation.comparison import compare
    from kinevla.evaluation.runner import REPORT_NAME, config_of, differences, evaluate, evaluate_all
    from kinevla.plain import to_plain

    if args.rerun is not None:
        config = config_of(args.rerun, args.out)
    else:
        config = EvaluateConfig(**{item.name: getattr(args, item.name) for item in fields(EvaluateConfig)})
    if config.control == "all":
        outcome, complete = evaluate_all(config)
    else:
        outcome = evaluate(config)
        complete = outcome.complete
    if outcome.summary is None:
        text = "no trial was finished: run the same command again to go on"
        return Outcome(text, {"trials": 0, "wanted": outcome.wanted}, Exit.UNFINISHED)
    lines = [outcome.summary.text(), f"report: {config.out / REPORT_NAME}"]
    figures = to_plain(outcome.summary) | {"trials": len(outcome.results), "wanted": outcome.wanted}
    if not complete:
        controls = " of the policy" if config.control == "all" else ""
        lines.append(
            f"{len(outcome.results)} of {outcome.wanted} trials{controls}: run the same command to go on"
        )
        return Outcome("\n".join(lines), figures, Exit.UNFINISHED)
    if args.compare_with is not None:
        paired = compare(args.compare_with, config.out)
        lines.append(paired.text())
        figures["compared"] = to_plain(paired)
    code = Exit.DONE
    if args.rerun is not None:
        changed = differences(args.rerun, config.out)
        lines += changed or ["every verdict is the same"]
        figures["changed"] = changed
        code = Exit.FAILED if changed else Exit.DONE
    return Outcome("\n".join(lines), figures, code)
