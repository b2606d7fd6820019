"""A small disk that is really slow: ext4 in a file, each write waited for, its rate bounded by the kernel."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

V1_ROOT, V2_ROOT = Path("/sys/fs/cgroup/blkio"), Path("/sys/fs/cgroup")


class NoThrottleError(RuntimeError):
    """This machine cannot make one; the text says what is missing."""


@dataclass(frozen=True)
class ThrottledDisk:
    """The mounted disk, and the control group whose processes write slowly to it."""

    folder: Path
    group: Path

    def slow_down(self, pid: int) -> None:
        """Bound the writes of this process, with all its threads."""
        (self.group / "cgroup.procs").write_text(str(pid))


def _run(*line: str) -> str:
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoThrottleError(f"{line[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def _group(device: str, bytes_per_s: int) -> Path:
    """A new control group with a bound on writes to the device ("major:minor")."""
    name = f"kine_{uuid.uuid4().hex[:8]}"
    if (V1_ROOT / "blkio.throttle.write_bps_device").is_file():
        group = V1_ROOT / name
        group.mkdir()
        (group / "blkio.throttle.write_bps_device").write_text(f"{device} {bytes_per_s}")
    elif "io" in (V2_ROOT / "cgroup.subtree_control").read_text().split():
        group = V2_ROOT / name
        group.mkdir()
        (group / "io.max").write_text(f"{device} wbps={bytes_per_s}")
    else:
        raise NoThrottleError("no control groups for block devices")
    return group


@contextmanager
def throttled_disk(folder: Path, size_mb: int, bytes_per_s: int) -> Iterator[ThrottledDisk]:
    """Mount one below `folder`.

    Raises:
        NoThrottleError: not root, or no loop devices, or no control groups for block devices.
    """
    if os.geteuid() != 0:
        raise NoThrottleError("mounting a disk needs root")
    image, place = folder / "disk.img", folder / "disk"
    place.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(size_mb * 1024 * 1024)
    _run("mkfs.ext4", "-q", "-O", "^has_journal", str(image))
    device = _run("losetup", "--show", "-f", str(image))
    try:
        _run("mount", "-o", "sync", device, str(place))
        try:
            number = Path(f"/sys/block/{Path(device).name}/dev").read_text().strip()
            try:
                group = _group(number, bytes_per_s)
            except OSError as error:
                raise NoThrottleError(f"no control group for block devices: {error}") from error
            try:
                yield ThrottledDisk(place, group)
            finally:
                group.rmdir()
        finally:
            _run("umount", str(place))
    finally:
        _run("losetup", "-d", device)
        image.unlink()
