"""episode.json: what is known of a demonstration besides its messages, and where its folder belongs."""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kine_nodes.files import MAX_YAML_BYTES, parse_yaml, read_bounded, read_json
from kine_teleop.recording.audit import BAD

FORMAT = 1
FILE = "episode.json"
VERDICTS = ("unknown", "success", "failure")
QUARANTINE, DISCARDED = "quarantine", "discarded"


@dataclass
class Episode:
    """Contents of episode.json; times in ns since 1970, `topics` what the recorder expected."""

    episode_id: str
    instruction: str
    goal_reasoning: str = ""
    kinematics_reasoning: str = ""
    operator_name: str = ""
    verdict: str = "unknown"
    note: str = ""
    started_ns: int = 0
    ended_ns: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    audit: dict[str, Any] = field(default_factory=dict)
    topics: list[dict[str, Any]] = field(default_factory=list)
    complete: bool = False
    format: int = FORMAT

    def save(self, folder: Path) -> None:
        """Write episode.json in one step: a reader sees the old or the new one."""
        partial = folder / f"{FILE}.part"
        partial.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Episode:
        """Read episode.json.

        Raises:
            ValueError: there is none, it is damaged, or of another format.
        """
        try:
            episode = cls(**read_json(folder / FILE))
        except FileNotFoundError:
            raise ValueError(f"{folder} is no episode: {FILE} is missing") from None
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"{folder / FILE} is damaged: {error}") from None
        if episode.format != FORMAT:
            raise ValueError(f"{folder / FILE} has format {episode.format}, this program reads {FORMAT}")
        name = episode.episode_id
        if not isinstance(name, str) or name in ("", ".", "..") or Path(name).name != name:
            raise ValueError(f"{folder / FILE} is damaged: its episode_id {name!r:.100} is no plain name")
        return episode


def file_away(folder: Path, episode: Episode) -> Path:
    """Move a bad episode to the quarantine beside it; returns where the episode lies now."""
    return move(folder, QUARANTINE) if episode.audit.get("verdict") == BAD else folder


def move(folder: Path, place: str) -> Path:
    """Move an episode into the folder `place` beside it.

    Raises:
        OSError: that folder cannot be made, or is a link: the episode would end up elsewhere.
    """
    target = folder.parent / place / folder.name
    if target.parent.is_symlink():
        raise OSError(errno.ELOOP, f"{target.parent} is a link, the episode stays where it is", str(folder))
    target.parent.mkdir(exist_ok=True)
    return folder.rename(target)


def versions() -> dict[str, str]:
    """Versions of what wrote the bag."""
    found = {"python": platform.python_version(), "ros_distro": os.environ.get("ROS_DISTRO", "")}
    for name in ("kine_teleop", "kinevla", "mcap", "rosbags"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    return found


def read_calibration(path: str) -> dict[str, Any]:
    """Content, name and SHA-256 of a YAML or JSON calibration file; an empty path gives an empty dict.

    Raises:
        ValueError: the file is missing or not readable as YAML.
    """
    if not path:
        return {}
    try:
        data = read_bounded(Path(path), MAX_YAML_BYTES)
        content = parse_yaml(data)
        json.dumps(content)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"calibration file {path} cannot be read: {error}") from None
    return {"file": Path(path).name, "sha256": hashlib.sha256(data).hexdigest(), "content": content}
