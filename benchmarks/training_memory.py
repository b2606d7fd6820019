"""Peak memory of training against the size of the data set: private memory must not grow with the images.

Makes data sets of noise images, trains a tokenizer and a policy on each for a few steps, and polls the
private memory (RssAnon: pages of files do not count, the system drops them when it needs room). With
`--limit-mb` and the rights to make a memory control group (version 1), training runs inside one of that size,
page cache included: then a set larger than the limit proves the point.

    python benchmarks/training_memory.py --gigabytes 0.25 1 --limit-mb 700
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from kinevla.data.episode import Episode, encode_frames
from kinevla.data.episodes import EpisodeWriter
from kinevla.text import load_task_texts

ROOT = Path(__file__).resolve().parents[1]
CGROUP = Path("/sys/fs/cgroup/memory")
FRAMES = 200
TRAIN = """
import sys
sys.path.insert(0, {tests!r})
from conftest import tiny_run, write_tiny_base
from pathlib import Path
from kinevla.training.stages.policy import train_policy
root, kind = Path({root!r}), {kind!r}
values = {{"data": Path({data!r}), "tokenizer": root / "tokenizer", "max_steps": 30, "progress": False}}
if kind == "images":
    base = root / "base"
    base.is_dir() or write_tiny_base(base)
    values |= {{"base": base, "tuning": "lora", "lora_rank": 4}}
print(train_policy(tiny_run(root, root / kind, **values)))
"""


def make_set(directory: Path, gigabytes: float) -> int:
    """Write episodes of noise images (128 pixels) until the images fill `gigabytes`; returns the frames."""
    writer = EpisodeWriter(directory, {"made": "up"})
    # The manifest is written once, not after every episode: the benchmark is about reading.
    save, writer.save_manifest = writer.save_manifest, lambda: None  # type: ignore[method-assign]
    rng = np.random.default_rng(0)
    pool = encode_frames(list(rng.integers(0, 256, (64, 128, 128, 3), dtype=np.uint8)))
    size, seed = 0, 0
    while size < gigabytes * 1e9:
        number = seed % 3 + 1
        texts = load_task_texts("kine_realman")[number - 1]
        path = rng.normal(0.0, 0.3, 8) + np.cumsum(rng.normal(0.0, 0.03, (FRAMES + 1, 8)), axis=0)
        path[:, 7] = np.clip(path[:, 7], 0.0, 1.0)
        chosen = rng.integers(len(pool), size=(2, FRAMES))
        file = writer.add(
            Episode(
                task=number, seed=seed, instruction=texts.instruction, coarse=texts.coarse, fine=texts.fine,
                period_s=0.1, front_jpeg=tuple(pool[i] for i in chosen[0]),
                wrist_jpeg=tuple(pool[i] for i in chosen[1]), state=path[:-1], target=path[1:],
                executed=path[1:],
            )
        )  # fmt: skip
        size, seed = size + file.stat().st_size, seed + 1
    save()
    return seed * FRAMES


def private_mb(pid: int) -> float:
    """Private resident memory of a process, MB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1e3
    return 0.0


def measured(command: list[str], group: Path | None) -> tuple[float, float]:
    """Run a command and return its peak private memory in MB and its time in s."""
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT / "models"))

    def enter() -> None:
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    begin = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, preexec_fn=enter)
        peak, ended = [0.0], threading.Event()

        def poll() -> None:
            while not ended.wait(0.05):
                try:
                    peak[0] = max(peak[0], private_mb(process.pid))
                except OSError:
                    return

        thread = threading.Thread(target=poll)
        thread.start()
        code = process.wait()
        ended.set()
        thread.join()
        if code:
            log.seek(0)
            raise SystemExit(f"{' '.join(command[:4])} ended with {code}:\n{log.read()[-2000:]}")
    return peak[0], time.monotonic() - begin


def main() -> None:
    """Measure and print one line per size and stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.25, 1.0], help="sizes of the sets")
    parser.add_argument("--limit-mb", type=int, default=0, help="memory of the control group, 0 for none")
    parser.add_argument("--folder", type=Path, help="where the sets go; a temporary folder by default")
    args = parser.parse_args()
    group = None
    if args.limit_mb:
        group = CGROUP / f"kinevla-{os.getpid()}"
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(args.limit_mb * 1_000_000))
    root = Path(tempfile.mkdtemp(dir=args.folder))
    rows = []
    try:
        for gigabytes in args.gigabytes:
            data = root / f"set-{gigabytes:g}"
            frames = make_set(data, gigabytes)
            work = root / f"work-{gigabytes:g}"
            work.mkdir()
            tokenizer = [
                sys.executable, "-P", "-m", "kinevla.cli.main", "tokenizer", "train",
                "--data", str(data), "--out", str(work / "tokenizer"), "--no-progress",
                "--training.stage1-steps", "20", "--training.stage2-steps", "20",
                "--training.warmup-steps", "5", "--training.batch", "64",
                "--training.start-batch", "512", "--training.network.latent", "16",
                "--training.network.codebook-size", "16",
            ]  # fmt: skip
            script = TRAIN.format(
                tests=str(ROOT / "models/tests/training"), root=str(work), data=str(data), kind="images"
            )
            for stage, command in (
                ("tokenizer", tokenizer),
                ("policy", [sys.executable, "-P", "-c", script]),
            ):
                peak_mb, time_s = measured(command, group)
                rows.append(
                    {"set_gb": gigabytes, "frames": frames, "stage": stage, "peak_private_mb": round(peak_mb),
                     "limit_mb": args.limit_mb or None, "time_s": round(time_s, 1)}
                )  # fmt: skip
                print(json.dumps(rows[-1]), flush=True)
            shutil.rmtree(data)
    finally:
        shutil.rmtree(root, ignore_errors=True)
        if group is not None:
            group.rmdir()
    for stage in ("tokenizer", "policy"):
        own = [row for row in rows if row["stage"] == stage]
        if len(own) > 1:
            grown = (own[-1]["peak_private_mb"] - own[0]["peak_private_mb"]) * 1e6
            added = own[-1]["frames"] - own[0]["frames"]
            print(f"{stage}: {grown / added:.0f} bytes of private memory per further frame")


if __name__ == "__main__":
    main()
