"""What a dead network held back does not reach the controller later."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from realman_driver.unsent import discard_on_close

LINE = b'{"command":"movej_canfd","joint":[1,2,3,4,5,6,7],"follow":true}\r\n'


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Our end, and a controller's that takes little as long as nobody reads."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    theirs.settimeout(5.0)
    with ours, theirs:
        yield ours, theirs


def fill(ours: socket.socket) -> int:
    """Write until the kernel takes no more; the bytes written."""
    ours.setblocking(False)
    written = 0
    with suppress(BlockingIOError):
        while True:
            written += ours.send(LINE * 100)
    return written


def read_to_the_end(theirs: socket.socket) -> tuple[int, bool]:
    """Bytes that arrive, and whether the connection was closed politely."""
    arrived = 0
    try:
        while data := theirs.recv(65536):
            arrived += len(data)
    except ConnectionResetError:
        return arrived, False
    return arrived, True


def test_frames_that_wait_in_the_kernel_are_gone_after_the_link_is_deleted(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    written = fill(ours)
    left = discard_on_close(*theirs.getsockname())
    assert 0 < left <= written
    ours.close()
    arrived, _ = read_to_the_end(theirs)
    assert arrived <= written - left + 4096


def test_without_it_they_all_arrive(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    written = fill(ours)
    ours.close()
    assert read_to_the_end(theirs) == (written, True)


def test_a_link_with_nothing_left_closes_politely(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    ours.sendall(LINE)
    assert theirs.recv(4096) == LINE
    assert discard_on_close(*theirs.getsockname()) == 0
    ours.close()
    assert read_to_the_end(theirs) == (0, True)


def test_other_connections_and_files_are_left_alone(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    fill(ours)
    open_before = len(os.listdir("/proc/self/fd"))
    assert discard_on_close("127.0.0.1", theirs.getsockname()[1] ^ 1) == 0
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)[:4] == b"\0\0\0\0"
    assert len(os.listdir("/proc/self/fd")) == open_before
