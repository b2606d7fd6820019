"""One rosbag2 folder with one mcap file, written by its own thread from a queue bounded in bytes."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from mcap.writer import CompressionType, Writer

from kine_teleop.recording.schemas import definition, type_hash
from kine_teleop.recording.topics import Topic
from kinevla.data.bag_metadata import BagContents, bag_information, write_information

CHUNK_BYTES = 4 * 1024 * 1024
FLUSH_S = 0.2  # at most this much lies in memory, besides the queue
RESERVE_BYTES = 1024 * 1024  # kept free inside the folder, so that a full disk still takes the summary
RESERVE_NAME = ".reserve"


class PlainFile:
    """Unbuffered file: what `write` accepted has reached the kernel, and a full disk raises at once."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(self._fd, fcntl.LOCK_EX)  # tells `repair` that this file is in work; a kill lifts it
        self._position = 0

    def write(self, data: bytes) -> int:
        """Write all bytes or raise OSError."""
        view = memoryview(data)
        while view:
            count = os.write(self._fd, view)
            self._position += count
            view = view[count:]
        return len(data)

    def tell(self) -> int:
        """Bytes written."""
        return self._position

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def write_metadata(folder: Path, bag_name: str, contents: BagContents) -> None:
    """Write metadata.yaml in the rosbag2 format (version 8)."""
    information = bag_information("mcap", [bag_name], contents)
    for topic in information["topics_with_message_count"]:
        described = topic["topic_metadata"]
        described["type_description_hash"] = type_hash(described["type"])
    information |= {
        "version": 8,
        "files": [{"path": bag_name, **contents.span()}],
        "custom_data": None,
        "ros_distro": os.environ.get("ROS_DISTRO", "jazzy"),
    }
    write_information(folder, information)


class BagWriter:
    """Takes messages from any thread and writes them in order; never blocks the caller on the disk.

    Args:
        folder: existing folder of the bag.
        name: file name of the mcap file.
        topics: everything that may be written.
        queue_bytes: bound of the queue; messages beyond are refused.
        open_file: makes the file; tests give slow or small ones.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        topics: Iterable[Topic],
        queue_bytes: int = 256 * 1024 * 1024,
        open_file: Callable[[Path], PlainFile] = PlainFile,
    ) -> None:
        self.folder, self.name = folder, name
        self.error: OSError | None = None
        self.written: dict[str, int] = {}
        self._topics = {topic.name: topic for topic in topics}
        self._bound, self._bytes = queue_bytes, 0
        self._queue: deque[tuple[str, int, int, bytes]] = deque()
        self._wake = threading.Condition()
        self._ending = False
        self._first = self._last = 0
        with open(folder / RESERVE_NAME, "wb") as reserve:
            os.posix_fallocate(reserve.fileno(), 0, RESERVE_BYTES)
        self._file = open_file(folder / name)
        self._writer = Writer(self._file, CHUNK_BYTES, CompressionType.NONE)  # type: ignore[arg-type]
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        self._writer.start(profile="ros2", library="kine_teleop")
        self._thread = threading.Thread(target=self._run, name="bag writer", daemon=True)
        self._thread.start()

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for the disk."""
        return self._bytes

    def put(self, topic: str, receive_ns: int, publish_ns: int, data: bytes) -> bool:
        """Queue one serialised message; False: no room, or the disk failed, and the message is lost."""
        with self._wake:
            if self.error or self._ending or self._bytes + len(data) > self._bound:
                return False
            self._queue.append((topic, receive_ns, publish_ns, data))
            self._bytes += len(data)
            self._wake.notify()
        return True

    def close(self, last: Iterable[tuple[str, int, bytes]] = ()) -> list[str]:
        """Write what is queued, then the messages `last`, the summary and metadata.yaml.

        After a disk error the file is cut behind its last complete chunk and finished in the space kept free.

        Returns:
            the topics of the messages that were accepted but lost with the disk.

        Raises:
            OSError: not even the summary could be written; `repair` can do it later.
        """
        with self._wake:
            self._ending = True
            self._wake.notify()
        self._thread.join()
        (self.folder / RESERVE_NAME).unlink(missing_ok=True)
        accepted = dict(self.written)
        for name, _, _, _ in self._queue:
            accepted[name] = accepted.get(name, 0) + 1
        if self.error is None:
            try:
                for name, receive_ns, data in last:
                    self._write(name, receive_ns, receive_ns, data)
                self._writer.finish()
            except OSError as error:
                self.error = error
        self._file.close()
        if self.error is None:
            counts = {(t, self._topics[t].type_name): n for t, n in self.written.items()}
            write_metadata(self.folder, self.name, BagContents(counts, self._first, self._last))
            return []
        from kine_teleop.recording.unfinished import finish_file  # which needs `BagContents`

        contents = finish_file(self.folder / self.name)
        write_metadata(self.folder, self.name, contents)
        kept = {name: count for (name, _), count in contents.counts.items()}
        return [name for name, count in accepted.items() for _ in range(count - kept.get(name, 0))]

    def _run(self) -> None:
        flushed = time.monotonic()
        try:
            while True:
                with self._wake:
                    if not self._queue and not self._ending:
                        self._wake.wait(FLUSH_S)
                    item = self._queue[0] if self._queue else None
                    if item is None and self._ending:
                        return
                if item is not None:
                    self._write(*item)
                    with self._wake:
                        self._queue.popleft()
                        self._bytes -= len(item[3])
                if time.monotonic() - flushed >= FLUSH_S:
                    self._writer.flush()
                    flushed = time.monotonic()
        except OSError as error:
            with self._wake:
                self.error = error

    def _write(self, name: str, receive_ns: int, publish_ns: int, data: bytes) -> None:
        if name not in self._channels:
            self._channels[name] = self._register(self._topics[name])
        self._first = min(self._first or receive_ns, receive_ns)
        self._last = max(self._last, receive_ns)
        sequence = self.written.get(name, 0)
        self._writer.add_message(self._channels[name], receive_ns, data, publish_ns, sequence)
        self.written[name] = sequence + 1

    def _register(self, topic: Topic) -> int:
        kind = topic.type_name
        if kind not in self._schemas:
            self._schemas[kind] = self._writer.register_schema(kind, "ros2msg", definition(kind).encode())
        metadata = {"offered_qos_profiles": "", "topic_type_hash": type_hash(kind)}
        return self._writer.register_channel(topic.name, "cdr", self._schemas[kind], metadata)
