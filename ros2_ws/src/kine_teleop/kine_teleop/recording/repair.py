"""Finish recordings that were cut off: the file ends behind its last complete chunk and gets its summary.

A file of this recorder is repaired where it lies, so that a full disk does not stand in the way; a repair
that is itself cut off can be repeated. What is complete is never written to, and neither is any file of
another recorder: those are rescued into new files (`kinevla.data.rescue`).
"""

from __future__ import annotations

import argparse
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from mcap.exceptions import McapError

from kine_nodes.files import read_json
from kine_teleop.recording.audit import SUSPECT, Audit
from kine_teleop.recording.bag_writer import RESERVE_NAME, write_metadata
from kine_teleop.recording.episode import FILE, Episode, file_away
from kine_teleop.recording.schemas import has_header, header_stamp_ns
from kine_teleop.recording.topics import Topic
from kine_teleop.recording.unfinished import finish_file, read_file
from kinevla.data.bags import named_files, read_metadata
from kinevla.data.packing import DataError
from kinevla.data.rescue import Rescue, recording_files, rescue


@dataclass(frozen=True)
class Repair:
    """What `repair` did: where the episode lies now, and whether anything had to be done."""

    folder: Path
    repaired: bool
    messages: int
    verdict: str


def repair(folder: Path) -> Repair:
    """Make an interrupted episode readable and audit it again from what is left; bad ones go to quarantine.

    Raises:
        ValueError: not an episode folder, or it is being recorded right now.
        OSError: the files cannot be read or written.
    """
    episode = Episode.load(folder)
    bag = folder / f"{episode.episode_id}_0.mcap"
    # A repair cuts the file and writes beside it: never through a link to somewhere else.
    for path in (folder, bag, folder / FILE, folder / f"{FILE}.part", folder / "metadata.yaml.part"):
        if path.is_symlink():
            raise ValueError(f"{path} is a link: only what lies in the folder itself is repaired")
    try:
        return _repair(folder, episode, bag)
    except DataError as error:
        raise ValueError(str(error)) from error
    except (struct.error, LookupError, TypeError, AttributeError, McapError) as error:
        raise ValueError(f"{bag} is damaged beyond repair: {error!r}") from error


def _repair(folder: Path, episode: Episode, bag: Path) -> Repair:
    described = _has_metadata(folder)
    if described:
        named_files(folder, read_metadata(folder)[0])
    if described and (episode.audit or not bag.exists()):
        return Repair(folder, False, 0, str(episode.audit.get("verdict", "unknown")))
    if others := [file.name for file in recording_files(folder) if file != bag]:
        raise ValueError(f"{folder} holds {', '.join(others)}, which this recorder did not write")
    audit = Audit.of((Topic(**item) for item in episode.topics), 0)

    def visit(name: str, kind: str, receive_ns: int, data: bytes) -> None:
        if name in audit.topics:
            audit.add(name, receive_ns, header_stamp_ns(data) if has_header(kind) else None)

    contents = read_file(bag, visit) if described else finish_file(bag, visit)
    (folder / RESERVE_NAME).unlink(missing_ok=True)
    audit.incident(SUSPECT, "the recording was interrupted and repaired")
    episode.ended_ns = contents.last_ns or episode.started_ns
    episode.complete = False
    episode.audit = audit.report()
    episode.save(folder)
    if not described:  # last: it says that all is done
        write_metadata(folder, bag.name, contents)
    messages = sum(contents.counts.values())
    return Repair(file_away(folder, episode), True, messages, str(episode.audit["verdict"]))


def _has_metadata(folder: Path) -> bool:
    """Whether there is a description of the bag that can be read."""
    try:
        return bool(read_metadata(folder)[0])
    except (DataError, ValueError):
        return False


def is_episode(folder: Path) -> bool:
    """Whether `episode.json` is one of this recorder, and not a sentence that somebody put beside a bag."""
    try:
        content = read_json(folder / FILE)
    except (OSError, ValueError):
        return (folder / FILE).exists()
    return not isinstance(content, dict) or "episode_id" in content


def repair_all(folder: Path) -> tuple[list[Repair], list[str]]:
    """Repair every unfinished episode below `folder`; returns what was repaired, and what could not be."""
    done, failed = [], []
    for file in sorted(folder.glob("*/episode.json")):
        if not is_episode(file.parent):
            continue
        try:
            result = repair(file.parent)
        except (ValueError, OSError) as error:
            failed.append(f"{file.parent.name}: {error}")
            continue
        if result.repaired:
            done.append(result)
    return done, failed


def rescue_all(folder: Path) -> tuple[list[Rescue], list[str]]:
    """Rescue the recordings of other recorders at `folder` or right below it; as `repair_all`."""
    done, failed = [], []
    below = sorted(item for item in folder.iterdir() if item.is_dir()) if folder.is_dir() else []
    for item in (folder, *below):
        try:
            if is_episode(item) or not recording_files(item):
                continue
            done.append(rescue(item))
        except (DataError, OSError) as error:
            failed.append(" ".join(str(error).split()))
    return done, failed


def main() -> None:
    """Command line `repair_bag FOLDER ...`: recordings, or folders of them; exit code 1 when one fails."""
    parser = argparse.ArgumentParser(description="Make interrupted recordings readable.")
    parser.add_argument("folders", nargs="+", type=Path, help="a recording, or a folder of recordings")
    errors: list[str] = []
    for folder in parser.parse_args().folders:
        if not folder.is_dir():
            errors.append(f"{folder} is no folder")
            continue
        lines, failed = _put_in_order(folder)
        print("\n".join(lines), end="\n" if lines else "")
        errors += failed
        if not lines and not failed:
            errors.append(f"{folder} holds no recording")
    for text in errors:
        print(f"repair_bag: {text}", file=sys.stderr)
    sys.exit(1 if errors else 0)


def _put_in_order(folder: Path) -> tuple[list[str], list[str]]:
    """Return what was done at and below a folder, and what could not be."""
    lines, errors = [], []
    below = sorted(file.parent for file in folder.glob(f"*/{FILE}"))
    for item in (folder, *below):
        if not is_episode(item):
            continue
        try:
            result = repair(item)
        except (ValueError, OSError) as error:
            errors.append(f"{item}: {error}")
            continue
        state = f"repaired, {result.messages} messages" if result.repaired else "was complete"
        lines.append(f"{result.folder}: {state}, {result.verdict}")
    rescued, failed = rescue_all(folder)
    for found in rescued:
        state = "repaired" if found.repaired else "was complete"
        lines.append(f"{found.folder}: {state}, {found.messages} messages")
    return lines, errors + failed


if __name__ == "__main__":
    main()
