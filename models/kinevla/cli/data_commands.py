"""The commands of `kinevla data`: making, converting, judging and handing on demonstrations."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from kinevla.cli.command import Exit, Outcome, UsageError
from kinevla.data.plugins import BENCH_ENVIRONMENT_ID, BENCH_EXPERT, ENVIRONMENT_ID, EXPERT

if TYPE_CHECKING:
    from kinevla.data.convert import ConvertReport


@dataclass(frozen=True)
class GenerateArgs:
    """Options of `kinevla data generate`."""

    out: Path  # Data set directory; an unfinished one is continued
    # The seven tasks, or sentences of KineBench that may be trained, drawn by the seed
    suite: Literal["kine-realman", "kinebench"] = "kine-realman"
    # With kinebench: successful demonstrations wanted, each of a sentence of its own; None for 50
    episodes: int | None = None
    episodes_per_task: int = 50  # Successful demonstrations wanted per task of kine-realman
    tasks: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)  # Task numbers
    seed: int = 0  # Seed of the data set
    workers: int = 2  # Processes
    noise: bool = True  # Disturb part of the demonstrations, so that they show how to recover
    noise_share: float = 0.5  # Share of disturbed demonstrations
    # Minutes of this call, None for no bound; the same command goes on where it stopped
    max_minutes: float | None = None
    environment_id: str | None = None  # Gymnasium id, module:namespace/Name-v0; the suite's own when None
    expert: str | None = None  # Scripted expert, module:Class; the suite's own when None
    # Side of the stored images, pixels; the small network needs 160, a base of the OpenVLA format 224
    image_size: int = 224
    variation: str | None = None  # How each scene is varied: remounted, dark, ...; kinebench: look, clutter
    progress: bool = True  # Show a progress bar


def run_generate(args: GenerateArgs) -> Outcome:
    """Generate demonstrations and report what came out."""
    from kinevla.data.demonstrations import DemonstrationConfig
    from kinevla.data.generate import BENCH_TASK, GenerateConfig, generate
    from kinevla.data.noise import NoiseConfig
    from kinevla.plain import to_plain

    bench = args.suite == "kinebench"
    if args.episodes is not None and not bench:
        raise UsageError("--episodes is for --suite kinebench; perhaps --episodes-per-task?")
    if bench and (args.tasks, args.episodes_per_task) != (GenerateArgs.tasks, GenerateArgs.episodes_per_task):
        raise UsageError("--suite kinebench has no tasks: --episodes says how many demonstrations are wanted")
    demonstration = DemonstrationConfig(
        environment_id=args.environment_id or (BENCH_ENVIRONMENT_ID if bench else ENVIRONMENT_ID),
        expert=args.expert or (BENCH_EXPERT if bench else EXPERT),
        image_size=args.image_size,
        noise=NoiseConfig(share=args.noise_share) if args.noise else None,
        variation=args.variation,
    )
    report = generate(
        GenerateConfig(
            out=args.out,
            demonstration=demonstration,
            suite=args.suite,
            tasks=(BENCH_TASK,) if bench else args.tasks,
            episodes_per_task=(args.episodes or 50) if bench else args.episodes_per_task,
            seed=args.seed,
            workers=args.workers,
            max_minutes=args.max_minutes,
        ),
        progress=args.progress,
    )
    unfinished = Exit.FAILED if report.exhausted else Exit.UNFINISHED
    return Outcome(report.text(), to_plain(report), Exit.DONE if report.complete else unfinished)


@dataclass(frozen=True)
class ConvertArgs:
    """Options of `kinevla data convert`."""

    # Recordings (rosbag2 folders), or folders with recordings below them
    bags: tyro.conf.Positional[tuple[Path, ...]]
    out: Path  # Data set directory; recordings it already holds are skipped
    rate_hz: float = 10.0  # Frames per second
    # Side of the stored images, pixels; the small network needs 160, a base of the OpenVLA format 224
    image_size: int = 224
    # Cut out the largest square in the middle, or squeeze the whole image into one
    square: Literal["centre", "stretch"] = "centre"
    # Cameras mounted upside down, whose images are turned by 180 degrees, by the policy as well
    rotate: tuple[Literal["front", "wrist"], ...] = ()
    max_image_age_s: float = 0.1  # Oldest image a frame may show, s
    max_pair_gap_s: float = 0.04  # Largest difference of the capture times of a frame's two images, s
    max_joint_gap_s: float = 0.1  # Widest gap between joint states, s
    idle_rad: float = 1e-3  # Frames in which no joint moves further than this are left out, rad; 0 keeps all
    idle_gripper: float = 0.01  # The same bound for the gripper, opening 0..1
    gripper_closed: float = 0.0  # Recorded position of the gripper that means closed
    # Recorded position of the gripper that means open; None for 1, where the positions look like 0..1
    gripper_open: float | None = None
    instruction: str = ""  # Instruction of all these recordings; '' for what they say themselves
    goal_reasoning: str = ""  # Goal-level text; '' for the recording's, the annotated tasks' or the grammar's
    kinematics_reasoning: str = ""  # Kinematics-level text; '' likewise
    accept_bad: bool = False  # Also take recordings marked bad or incomplete
    accept_failures: bool = False  # Also take demonstrations judged a failure
    workers: int = 2  # Processes
    progress: bool = True  # Show a progress bar


def run_convert(args: ConvertArgs) -> Outcome:
    """Convert recordings; a bad one is reported and the others are converted all the same."""
    from kinevla.data.convert import ConvertConfig, Texts, convert_all
    from kinevla.observation.images import ImagePipeline

    require_some(args.bags, "BAG")
    own = (item.name for item in fields(ConvertConfig) if item.name != "images")
    images = ImagePipeline(args.image_size, args.square, args.rotate)
    config = ConvertConfig(images=images, **{name: getattr(args, name) for name in own})
    texts = Texts(args.instruction, args.goal_reasoning, args.kinematics_reasoning)
    report = convert_all(args.bags, args.out, config, texts, workers=args.workers, progress=args.progress)
    return batch_outcome(report)


@dataclass(frozen=True)
class AuditArgs:
    """Options of `kinevla data audit`."""

    paths: tyro.conf.Positional[tuple[Path, ...]]  # Recordings, folders of recordings, or data sets
    gap_factor: float = 1.5  # A gap longer than this many median periods counts as lost messages
    max_delay_s: float = 1.0  # Largest distance between capture stamp and time of recording, s
    max_step_rad: float = 0.5  # Largest step of a joint target between two frames of a data set, rad


def run_audit(args: AuditArgs) -> Outcome:
    """Judge recordings and data sets; problems end in status 1."""
    from kinevla.data.audit import AuditConfig, audit_all, audit_text
    from kinevla.manifest import to_plain

    require_some(args.paths, "PATH")
    audits = audit_all(args.paths, AuditConfig(args.gap_factor, args.max_delay_s, args.max_step_rad))
    bad = any(audit.problems for audit in audits)
    return Outcome(audit_text(audits), {"audits": to_plain(audits)}, Exit.FAILED if bad else Exit.DONE)


@dataclass(frozen=True)
class StatsArgs:
    """Options of `kinevla data stats`."""

    data: tyro.conf.Positional[Path]  # Data set directory


def run_stats(args: StatsArgs) -> Outcome:
    """Print figures of a data set."""
    from kinevla.data.episodes import EpisodeReader
    from kinevla.data.stats import data_stats
    from kinevla.manifest import to_plain

    stats = data_stats(EpisodeReader(args.data))
    return Outcome(stats.text(), to_plain(stats))


@dataclass(frozen=True)
class SplitArgs:
    """Options of `kinevla data split`."""

    data: tyro.conf.Positional[Path]  # Data set directory
    val_percent: int = 10  # Share of episodes held out, percent; training uses 10
    out: Path | None = None  # File to write; None for split.json in the data set


def run_split(args: SplitArgs) -> Outcome:
    """Write down which episodes are learnt from and which are held out."""
    from kinevla.data.episodes import EpisodeReader
    from kinevla.data.split import data_split, write_split
    from kinevla.manifest import to_plain

    split = data_split(EpisodeReader(args.data), args.val_percent)
    path = write_split(args.data, split, args.out)
    text = f"{len(split.train)} episodes to learn from, {len(split.val)} held out: {path}"
    return Outcome(text, to_plain(split) | {"file": str(path)})


@dataclass(frozen=True)
class MergeArgs:
    """Options of `kinevla data merge`."""

    data: tyro.conf.Positional[tuple[Path, ...]]  # Data set directories, at least two
    out: Path  # Directory of the new set; must be empty or missing


def run_merge(args: MergeArgs) -> Outcome:
    """Copy the episodes of several data sets into a new one."""
    from kinevla.data.merge import merge

    if len(args.data) < 2:
        raise UsageError("missing DATA: at least 2 data sets")
    entries = merge(args.data, args.out).entries
    figures = {"episodes": len(entries), "frames": sum(e.frames for e in entries), "out": str(args.out)}
    return Outcome(f"{figures['episodes']} episodes, {figures['frames']} frames in {args.out}", figures)


@dataclass(frozen=True)
class ShowArgs:
    """Options of `kinevla data show`."""

    data: tyro.conf.Positional[Path]  # Data set directory
    out: Path  # Picture (.png) or film (.mp4) to write
    episode: int = 0  # Position of the episode in the data set, from 0
    frames: int = 12  # Moments on the picture


def run_show(args: ShowArgs) -> Outcome:
    """Draw an episode with its images, joints and texts."""
    from kinevla.data.episodes import EpisodeReader
    from kinevla.data.packing import DataError
    from kinevla.data.show import show_episode

    reader = EpisodeReader(args.data)
    if not len(reader):
        raise DataError(f"{args.data} holds no episodes")
    if not 0 <= args.episode < len(reader):
        raise UsageError(f"--episode {args.episode} lies outside 0..{len(reader) - 1}")
    show_episode(reader.read(args.episode), args.out, args.frames)
    return Outcome(f"{reader.entries[args.episode].name}: {args.out}", {"out": str(args.out)})


@dataclass(frozen=True)
class AnnotateArgs:
    """Options of `kinevla data annotate`."""

    instructions: tyro.conf.Positional[tuple[str, ...]]  # Sentences to annotate, each in quotation marks


def run_annotate(args: AnnotateArgs) -> Outcome:
    """Write goal and kinematics texts of instructions, or say why a sentence is refused."""
    from kinevla.data.identity import texts_for
    from kinevla.manifest import to_plain
    from kinevla.text.annotate import AnnotationError

    require_some(args.instructions, "INSTRUCTION")
    found, refused = [], []
    for sentence in args.instructions:
        try:
            found.append(texts_for(sentence))
        except AnnotationError as error:
            refused.append(str(error))
    lines = [f"{a.instruction}\n  goal: {a.coarse}\n  kinematics: {a.fine}" for a in found]
    lines += [f"refused: {reason}" for reason in refused]
    figures = {"annotations": to_plain(found), "refused": refused}
    return Outcome("\n".join(lines), figures, Exit.FAILED if refused else Exit.DONE)


def batch_outcome(report: ConvertReport) -> Outcome:
    """What a batch came to; failed where a recording was refused."""
    from kinevla.manifest import to_plain

    return Outcome(report.text(), to_plain(report), Exit.FAILED if report.errors else Exit.DONE)


def require_some(values: tuple[object, ...], name: str) -> None:
    """Refuse a line that names nothing to work on."""
    if not values:
        raise UsageError(f"missing {name}")
