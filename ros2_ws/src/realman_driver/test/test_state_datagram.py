"""What is read from the bytes of a state datagram, and what makes it no measurement."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realman_driver.arm_interface import RawState
from realman_driver.error_codes import describe_errors
from realman_driver.state_datagram import read_state
from realman_driver.state_receiver import waited_s


def state(**changes: Any) -> dict[str, Any]:
    """A sound datagram with some of its fields replaced, those of the joints too; ... takes a field away."""
    joints: dict[str, Any] = {
        "joint_current": [300_000] * 7,
        "joint_en_flag": [1] * 7,
        "joint_err_code": [0] * 7,
        "joint_position": [0, 20_000, 0, 70_000, 0, 90_000, 0],
        "joint_temperature": [33_000] * 7,
        "joint_voltage": [24_000] * 7,
    }
    whole: dict[str, Any] = {
        "state": "realtime_arm_joint_state",
        "joint_status": joints,
        "err": [0],
        "arm_current_status": "idle",
    }
    for key, value in changes.items():
        part = joints if key in joints else whole
        if value is ...:
            del part[key]
        else:
            part[key] = value
    return whole


def read(value: Any) -> RawState:
    data = value if isinstance(value, bytes) else json.dumps(value).encode() + b"\r\n"
    return read_state(data, "127.0.0.1", 100.0, 5)


def test_a_sound_datagram_is_read_in_si_units() -> None:
    raw = read(state())
    assert (raw.defect, raw.motion, raw.system_error_codes) == ("", "idle", ())
    assert raw.position_rad == pytest.approx([math.radians(q) for q in (0, 20, 0, 70, 0, 90, 0)])
    assert raw.current_a == pytest.approx([0.3] * 7)
    assert raw.temperature_c == pytest.approx([33.0] * 7)
    assert raw.joint_enabled == (True,) * 7
    assert (raw.sender_ip, raw.arrived_monotonic_s, raw.arrived_ros_ns) == ("127.0.0.1", 100.0, 5)


SEVENTH = [0, 20_000, 0, 70_000, 0, 90_000]


@pytest.mark.parametrize(
    ("changes", "rule", "words"),
    [
        ({"joint_position": ...}, "missing", "joint_position is missing"),
        ({"joint_position": None}, "missing", "joint_position is missing"),
        ({"joint_position": SEVENTH}, "missing", "joint_position has 6 values: joint_7 missing"),
        ({"joint_position": [*SEVENTH, None]}, "missing", "joint_7 is null"),
        ({"joint_position": [*SEVENTH, "0"]}, "type", "joint_7 is text"),
        ({"joint_position": [*SEVENTH, True]}, "type", "joint_7 is True"),
        ({"joint_position": [*SEVENTH, False]}, "type", "joint_7 is False"),
        ({"joint_position": [*SEVENTH, [0]]}, "type", "joint_7 is a list"),
        ({"joint_position": [*SEVENTH, {}]}, "type", "joint_7 is an object"),
        ({"joint_position": [[*SEVENTH, 0]]}, "missing", "has 1 values"),
        ({"joint_position": {"joint_1": 0}}, "missing", "joint_position is an object"),
        ({"joint_position": "0,0,0,0,0,0,0"}, "missing", "joint_position is text"),
        ({"joint_position": [*SEVENTH, 0, 0]}, "length", "8 values"),
        ({"joint_position": [*SEVENTH, math.nan]}, "finite", "joint_7 is nan"),
        ({"joint_position": [*SEVENTH, -math.inf]}, "finite", "joint_7 is -inf"),
        ({"joint_position": [*SEVENTH, 10**400]}, "finite", "joint_7 is a long integer"),
        ({"joint_current": [None] * 7}, "missing", "joint_current: joint_1 is null"),
        ({"joint_temperature": [True] * 7}, "type", "joint_temperature: joint_1 is True"),
        ({"joint_voltage": ...}, "missing", "joint_voltage"),
        ({"joint_en_flag": [1, 1, 2, 1, 1, 1, 1]}, "type", "joint_en_flag: joint_3 is 2"),
        ({"joint_en_flag": [1, 1, None, 1, 1, 1, 1]}, "type", "joint_en_flag: joint_3 is missing"),
        ({"joint_err_code": [0] * 6}, "missing", "joint_err_code has 6 values: joint_7 missing"),
        ({"joint_status": None}, "missing", "joint_status"),
        ({"joint_status": [1]}, "missing", "joint_status is a list"),
        ({"state": "joint_degree"}, "parse", "no realtime_arm_joint_state"),
    ],
)
def test_a_datagram_with_a_value_that_is_missing_or_none_is_defective(
    changes: dict[str, Any], rule: str, words: str
) -> None:
    raw = read(state(**changes))
    assert raw.defect_rule == rule
    assert words in raw.defect
    assert raw.position_rad == ()


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00\xff\xfe", b"null", b"[]", b"7", b'"text"', b"{" * 5000, b"[" * 60_000, b'{"state":1e999}'],
)
def test_bytes_that_are_no_state_are_defective(data: bytes) -> None:
    assert read(data).defect_rule == "parse"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"err": [0] * 30 + [0x100D]}, "0x100D (collision)"),
        ({"err": [0x1000 + k for k in range(31)]}, "and 23 more errors"),
        ({"err": []}, "the controller reports an error that cannot be read"),
        ({"err": ...}, "the controller reports an error that cannot be read"),
        ({"err": 0}, "the controller reports an error that cannot be read"),
        ({"err": [None]}, "the controller reports an error that cannot be read"),
        ({"err": ["0"]}, "the controller reports an error that cannot be read"),
        ({"err": [0, -1]}, "the controller reports an error that cannot be read"),
        ({"err": [1 << 40]}, "0x10000000000 (unknown system error)"),
        (
            {"joint_err_code": [0, 0, 1 << 17, 0, 0, 0, 0]},
            "joint_3 reports error 0x20000 (unknown joint error 0x20000)",
        ),
        (
            {"joint_err_code": [0, 0, 0x20040, 0, 0, 0, 0]},
            "0x20040 (overcurrent, unknown joint error 0x20000)",
        ),
        ({"joint_err_code": [0, 0, 0, 0, 0, 0, None]}, "joint_7 reports an error that cannot be read"),
        ({"joint_err_code": [0, 0, 0, 0, 0, 0, True]}, "joint_7 reports an error that cannot be read"),
        ({"joint_err_code": [0, 0, 0, 0, 0, 0, -5]}, "joint_7 reports an error that cannot be read"),
    ],
)
def test_every_error_counts_wherever_it_stands_and_also_when_it_cannot_be_read(
    changes: dict[str, Any], words: str
) -> None:
    raw = read(state(**changes))
    assert raw.defect == ""
    assert words in "; ".join(describe_errors(raw.joint_error_codes, raw.system_error_codes))


def test_a_long_list_of_errors_does_not_make_a_long_text() -> None:
    raw = read(state(err=list(range(1, 5000))))
    assert len("; ".join(describe_errors(raw.joint_error_codes, raw.system_error_codes))) < 1000


@pytest.mark.parametrize(
    ("status", "motion"),
    [
        ("movev_canfd", "movev_canfd"),
        ("a motion of tomorrow", "a motion of tomorrow"),
        (..., ""),
        (None, ""),
        (5, "a motion whose name cannot be read"),
        ("", "a motion whose name cannot be read"),
        ("x" * 50_000, "a motion whose name cannot be read"),
        ("\x1b[31midle\n", "a motion whose name cannot be read"),
    ],
)
def test_a_status_that_is_not_known_is_not_taken_for_idle(status: Any, motion: str) -> None:
    assert read(state(arm_current_status=status)).motion == motion


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(
    field=st.sampled_from([*state()["joint_status"], "joint_status", "err", "arm_current_status", "state"]),
    value=JSON,
)
def test_whatever_a_field_holds_it_is_read_or_refused_and_never_raises(field: str, value: Any) -> None:
    raw = read(state(**{field: value}))
    assert raw.defect or len(raw.position_rad) == 7


@given(st.binary(max_size=200))
def test_whatever_bytes_come_reading_them_never_raises(data: bytes) -> None:
    assert read(data).defect_rule == "parse"


def test_a_datagram_that_waited_to_be_read_is_as_old_as_it_is() -> None:
    import socket
    import struct

    stamp = [(socket.SOL_SOCKET, 35, struct.pack("@ll", 1000, 500_000_000))]
    assert waited_s(stamp, 1_000_900_000_000) == pytest.approx(0.4)
    assert waited_s([], 1_000_900_000_000) == 0.0
    assert waited_s(stamp, 999_000_000_000) == 0.0, "the clock was set back meanwhile"
    assert waited_s(stamp, 5_000_000_000_000) == 0.0, "the clock was set forward meanwhile"
