"""A thread that dies leaves no arm moving: neither in the SDK's process nor behind a deaf socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from realman_driver import sdk_wire
from realman_driver.sdk_host import SdkHost
from realman_driver.state_receiver import StateReceiver


class Arm:
    def __init__(self) -> None:
        self.stops = 0
        self.left = threading.Event()

    def set_callbacks(self, *_: object) -> None:
        pass

    def stop(self) -> int:
        self.stops += 1
        return 0


@pytest.fixture
def hook() -> Iterator[None]:
    before = threading.excepthook
    yield
    threading.excepthook = before


@pytest.mark.parametrize("what", ["frames", "stops", "requests"])
@pytest.mark.usefixtures("hook")
def test_a_thread_of_the_sdks_process_that_dies_stops_the_arm_and_ends_it(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arm: Any = Arm()
    ours, theirs = sdk_wire.pair()
    serving = threading.Thread(target=SdkHost(arm, theirs, arm.left.set).run, daemon=True)
    serving.start()
    getattr(ours, what).send(b"no order")
    assert arm.left.wait(20)
    assert arm.stops == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_state_socket_that_fails_by_itself_is_no_silent_end(monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[object] = []
    ended = threading.Event()

    def hook(end: threading.ExceptHookArgs) -> None:
        died.append(end.exc_value)
        ended.set()

    monkeypatch.setattr(threading, "excepthook", hook)

    class Broken:
        def recvmsg(self, *_: object) -> Any:
            raise OSError("the network is down")

        def close(self) -> None:
            pass

    receiver = StateReceiver(lambda *_: None)
    broken: Any = Broken()
    receiver._socket = broken
    thread = threading.Thread(target=receiver._read, args=(broken,))
    thread.start()
    assert ended.wait(10)
    assert "network is down" in str(died[0])
