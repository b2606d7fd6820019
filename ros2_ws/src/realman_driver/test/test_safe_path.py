"""What lies in the working directory is not run by the processes that the driver starts."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path

import pytest
from emulator_rig import Emulator
from fake_arm import raw_state

from realman_driver import sdk_wire
from realman_driver.arm_interface import ArmInfo, LinkSettings
from realman_driver.arm_model import HOME_RAD
from realman_driver.black_box import BlackBox, BlackBoxSettings
from realman_driver.isolated_arm import IsolatedArm


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose modules leave a mark when they are imported, on every kind of path."""
    folder, mark = tmp_path / "here", tmp_path / "mark"
    folder.mkdir()
    for name in ("pickle", "marshal", "json", "socket", "yaml", "mcap", "Robotic_Arm"):
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name!r})\nraise SystemExit(9)\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(["", ".", str(folder), os.environ.get("PYTHONPATH", "")])
    )
    monkeypatch.syspath_prepend("")
    return mark


def test_the_process_of_the_sdk_takes_nothing_from_the_working_directory(
    emulator: Emulator, trap: Path
) -> None:
    arm = IsolatedArm(LinkSettings("127.0.0.1", emulator.port, "", 0, 5), time.time_ns, print)
    arm.set_callbacks(lambda raw: None, lambda event: None)
    try:
        assert arm.connect().model
    finally:
        arm.release()
    assert not trap.exists(), f"imported: {trap.read_text()}"


def test_the_writer_of_the_black_box_takes_nothing_from_the_working_directory(
    tmp_path: Path, trap: Path
) -> None:
    reports: list[tuple[str, str]] = []
    box = BlackBox(BlackBoxSettings(tmp_path / "box"), time.time, lambda *report: reports.append(report))
    box.target(HOME_RAD)
    assert box.write_soon("a reason")
    assert box.wait_written(60.0)
    assert reports[-1][0] == "info", reports
    assert not trap.exists(), f"imported: {trap.read_text()}"


class Evil:
    """Pickles to a call."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("exit 1",)


@pytest.mark.parametrize(
    "value",
    [Evil(), time.sleep, raw_state, IsolatedArm, (1, [os.system])],
    ids=["call", "builtin", "function", "class", "nested"],
)
def test_an_answer_of_the_sdks_process_runs_nothing_in_the_driver(value: object) -> None:
    with pytest.raises(ValueError, match="is no record of the arm"):
        sdk_wire.unpack_answer(sdk_wire.pack_answer(1, "ok", value))


@pytest.mark.parametrize("data", [b"", b"\x80", b"no pickle", pickle.dumps(7), pickle.dumps((1, "ok"))])
def test_an_answer_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        sdk_wire.unpack_answer(data)


def test_what_the_arm_says_of_itself_comes_through() -> None:
    info = ArmInfo("RM75", 3, "1.7.0", "1.1.6", tuple((-1.0, 1.0) for _ in range(7)), HOME_RAD, 8089)
    assert sdk_wire.unpack_answer(sdk_wire.pack_answer(3, "ok", info)) == (3, "ok", info)
