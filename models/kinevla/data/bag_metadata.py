"""The `metadata.yaml` of a rosbag2 folder, written behind everything else: it says that all is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

METADATA = "metadata.yaml"


@dataclass
class BagContents:
    """What it tells: messages per topic (with type), first and last receive time in ns."""

    counts: dict[tuple[str, str], int]
    first_ns: int = 0
    last_ns: int = 0

    def span(self) -> dict[str, Any]:
        """Return begin, duration and number of messages as rosbag2 writes them."""
        return {
            "starting_time": {"nanoseconds_since_epoch": self.first_ns},
            "duration": {"nanoseconds": self.last_ns - self.first_ns},
            "message_count": sum(self.counts.values()),
        }


def bag_information(storage: str, names: list[str], contents: BagContents) -> dict[str, Any]:
    """Return the description of a bag ('mcap' or 'sqlite3') in version 5, which every later rosbag2 reads."""
    topics = [
        {
            "topic_metadata": {
                "name": name,
                "type": type_name,
                "serialization_format": "cdr",
                "offered_qos_profiles": "",
            },
            "message_count": count,
        }
        for (name, type_name), count in contents.counts.items()
    ]
    return {
        "version": 5,
        "storage_identifier": storage,
        "relative_file_paths": names,
        **contents.span(),
        "topics_with_message_count": topics,
        "compression_format": "",
        "compression_mode": "",
    }


def write_information(folder: Path, information: dict[str, Any]) -> None:
    """Write `metadata.yaml` whole or not at all."""
    # Copies, because YAML would otherwise write references between the equal parts.
    text = yaml.dump({"rosbag2_bagfile_information": information}, Dumper=_NoAliases, sort_keys=False)
    part = folder / f"{METADATA}.part"
    part.write_text(text, encoding="utf-8")
    part.replace(folder / METADATA)


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True
