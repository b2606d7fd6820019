"""One row of the ablation by one command: tokeniser, policy, closed-loop evaluation; and the table of all.

Every row sees the same demonstrations, pretrained encoders, steps and scenes; only the preset differs. What
is there already (tokeniser, a training that was stopped, finished trials) is taken up where it stands.

Codes of the small network never see the instruction. So a row without reasoning is told nothing but the
scene, and shows what can be done without being told; there the reasoning adds everything the sentence says.

    scripts/run python benchmarks/ablation.py --row bi-rea
    scripts/run python benchmarks/ablation.py --table
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from kinevla.configs import TRAININGS
from kinevla.evaluation.statistics import Rate

ROWS = ("bins", "single-vq", "bi-rep", "bi-rea", "mi", "kinevla")
ADDS = {
    "bins": "256 bins, no reasoning",
    "single-vq": "4 codes of one residual quantiser",
    "bi-rep": "+ goal and kinematics codes",
    "bi-rea": "+ goal and kinematics reasoning",
    "mi": "+ mutual information",
    "kinevla": "codes spell a motion that is read from the pictures; without mutual information",
}


def kinevla(*arguments: object) -> None:
    """Run a command of the library; its exit status 3 (unfinished) ends this one too."""
    command = [sys.executable, "-P", "-m", "kinevla.cli.main", *map(str, arguments)]
    status = subprocess.run(command, check=False).returncode
    if status:
        raise SystemExit(status)


def run_row(args: argparse.Namespace) -> None:
    """Train and evaluate one row."""
    preset = TRAININGS.get(args.row)
    tokenizer = args.out / f"tokenizer-{preset.tokenizer}"
    if not (tokenizer / "manifest.json").is_file():
        kinevla(
            "tokenizer", "train", "--preset", preset.tokenizer, "--data", args.data, "--out", tokenizer,
            "--no-progress",
        )  # fmt: skip
    policy = args.out / f"{args.row}-seed{args.seed}"
    readout = ["--readout"] if args.readout and preset.tokenizer_kind != "bins" else []
    kinevla(
        "train", "--preset", args.row, *readout, "--data", args.data, "--tokenizer", tokenizer,
        "--out", policy, "--seed", args.seed, "--max-minutes", "None",
        "--max-steps", args.steps, "--batch-size", args.batch_size, "--learning-rate", args.learning_rate,
        "--warmup-steps", 30, "--val-every", args.steps,
        "--val-samples", 512, "--save-every", 100, "--no-progress", "--device", args.device,
        "--threads", args.threads, "--workers", args.workers,
    )  # fmt: skip
    kinevla(
        "evaluate", "--checkpoint", policy / "last", "--out", policy / "evaluation", "--trials", args.trials,
        "--films", "none", "--no-bert", "--no-progress",
    )  # fmt: skip
    print(table(args.out))


def figures(out: Path) -> list[dict[str, object]]:
    """Return what is measured so far, a dictionary per finished row and seed."""
    found = []
    for row in ROWS:
        for policy in sorted(out.glob(f"{row}-seed*")):
            trials = policy / "evaluation" / "trials.jsonl"
            if not (policy / "evaluation" / "manifest.json").is_file():
                continue
            lines = [json.loads(line) for line in trials.read_text().splitlines()[1:]]  # settings first
            report = json.loads((policy / "last" / "training.json").read_text())["policy"]
            scenes = [line["seed"] for line in lines]
            goal = Rate.of([line["goal"] for line in lines], scenes)
            kinematics = Rate.of([line["kinematics"] for line in lines], scenes)
            found.append(
                {
                    "row": row,
                    "adds": ADDS[row],
                    "seed": int(policy.name.rsplit("seed", 1)[1]),
                    "steps": report["step"],
                    "trials": len(lines),
                    "scenes": goal.scenes,
                    "goal": goal.successes,
                    "kinematics": kinematics.successes,
                    "goal_text": goal.text(),
                    "kinematics_text": kinematics.text(),
                    "joint_l1_mrad": round(report["joint_l1_mrad"], 2),
                    "tokenizer_l1_mrad": round(report["joint_l1_tokenizer_mrad"], 2),
                }
            )
    return found


def table(out: Path) -> str:
    """Return the rows as a Markdown table, and write `ablation.json` beside them."""
    rows = figures(out)
    (out / "ablation.json").write_text(json.dumps(rows, indent=1) + "\n")
    lines = [
        "| row | what it adds | seed | goal | as instructed | joint error, mrad (of it the tokeniser) |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['row']} | {r['adds']} | {r['seed']} | {r['goal_text']} | {r['kinematics_text']} | "
        f"{r['joint_l1_mrad']} ({r['tokenizer_l1_mrad']}) |"
        for r in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--row", choices=ROWS)
    parser.add_argument("--table", action="store_true", help="print the table of what is measured")
    parser.add_argument("--data", type=Path, default=Path(".data/demos"))
    parser.add_argument("--out", type=Path, default=Path(".data/ablation"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where policies are trained")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare batches")
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument(
        "--readout", action="store_true", help="the readout in every row but bins (give another --out)"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.row:
        run_row(args)
    elif args.table:
        print(table(args.out))
    else:
        parser.error("give --row or --table")


if __name__ == "__main__":
    main()
