"""Fault switches: the ways a controller, its network or its arm can misbehave, on demand.

Each switch has a name and a value, so that the same faults can be set from Python
(`faults.set("freeze", True)`) and from another process over the fault port
(`{"fault": "freeze", "value": true}`).
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from typing import Any

ANSWER_FAULTS = ("malformed_answer", "oversized_answer", "wrong_name", "no_answer")
UDP_FAULTS = ("mute_udp", "garbage_udp", "six_value_udp", "freeze_positions")
PUSH_CHANGES = ("shift_positions", "push_fields")
SWITCHES = (*ANSWER_FAULTS, *UDP_FAULTS, "freeze", "refuse_connections")
ACTIONS = ("drop", "joint_error", "system_error", "disable_joint", "enable_joint", "hand", "jam_gripper")
OVERSIZED_BYTES = 1400
# What may be put into a datagram, so that it stays one.
MAX_FIELDS_BYTES = 1000

Action = Callable[[str, Any], None]


class Faults:
    """Present faults of one controller, safe to use from several threads.

    Names and values:
        freeze: bool - nothing is read, answered or pushed; what arrives is handled after the thaw.
        refuse_connections: bool - the port is closed to new clients; present ones stay.
        drop: "fin" or "rst" - close all present connections, politely or hard.
        delay_answers: seconds 0..60 before each answer.
        malformed_answer, oversized_answer, wrong_name, no_answer: bool, or the one command affected.
        mute_udp, garbage_udp, six_value_udp: bool - state pushes absent, unreadable, or one joint short.
        freeze_positions: bool - the positions of the state pushes stay as they are now.
        shift_positions: seven degrees added to the positions of the state pushes; [] ends it.
        push_fields: object - fields of the state pushes with any other value, such as
            {"joint_position": [null, 0, 0, 0, 0, 0, 0]}, {"err": []} or {"arm_current_status": "move_L"};
            {} ends it.
        joint_error: [joint 1..7, code] - latch a joint error code.
        system_error: code - latch a system error.
        disable_joint, enable_joint: joint 1..7 - as if the motor was switched.
        lose_canfd: share 0..1 of the streamed frames that get lost.
        lose_udp: share 0..1 of the state pushes that get lost.
        jam_gripper: opening 0..1 beyond which the jaws do not close.
        hand: seven degrees - lead the arm there by hand, during drag teach only.
        clear: no value - end all switchable faults (latched joint errors stay).
    """

    def __init__(self, action: Action) -> None:
        self._action = action
        self._lock = threading.Lock()
        self._switches: dict[str, bool | str] = dict.fromkeys(SWITCHES, False)
        self._delay_s = 0.0
        self._loss_ratio = 0.0
        self._push_loss_ratio = 0.0
        self._shift_deg: list[float] = []
        self._fields: dict[str, Any] = {}
        self._frozen_position: list[int] | None = None
        self._random = random.Random(75)

    def set(self, name: str, value: Any = True) -> None:
        """Set a fault.

        Raises:
            ValueError: unknown fault, or a value it cannot take.
        """
        if name == "clear":
            for switch in SWITCHES:
                self.set(switch, False)
            self.set("delay_answers", 0.0)
            self.set("lose_canfd", 0.0)
            self.set("lose_udp", 0.0)
            self.set("shift_positions", [])
            self.set("push_fields", {})
        elif name == "delay_answers":
            self._delay_s = _share(name, value, 60.0)
        elif name == "lose_canfd":
            self._loss_ratio = _share(name, value, 1.0)
        elif name == "lose_udp":
            self._push_loss_ratio = _share(name, value, 1.0)
        elif name == "shift_positions":
            self._shift_deg = _shift(value)
        elif name == "push_fields":
            if not isinstance(value, dict) or len(json.dumps(value)) > MAX_FIELDS_BYTES:
                raise ValueError(f"fault 'push_fields' takes an object of at most {MAX_FIELDS_BYTES} bytes")
            self._fields = value
        elif name in SWITCHES:
            named = name in ANSWER_FAULTS and isinstance(value, str) and bool(value)
            if not isinstance(value, bool) and not named:
                raise ValueError(f"fault '{name}' takes true or false, got {value!r}")
            with self._lock:
                changed, self._switches[name] = self._switches[name] != value, value
            if changed and name in ("freeze", "refuse_connections"):
                self._action(name, value)
        elif name in ACTIONS:
            if name == "drop" and value not in ("fin", "rst"):
                raise ValueError(f"fault 'drop' takes 'fin' or 'rst', got {value!r}")
            self._action(name, value)
        else:
            known = sorted(
                (*SWITCHES, *ACTIONS, "delay_answers", "lose_canfd", "lose_udp", "clear", *PUSH_CHANGES)
            )
            raise ValueError(f"unknown fault {name!r}; known: {', '.join(known)}")

    def active(self, name: str) -> bool:
        """Whether a switch is on for every command."""
        return self._switches[name] is True

    @property
    def frozen(self) -> bool:
        """Whether the controller is frozen."""
        return self.active("freeze")

    @property
    def answer_delay_s(self) -> float:
        """Delay of each answer, s."""
        return self._delay_s

    def loses_frame(self) -> bool:
        """Decide, reproducibly, whether the next streamed frame is lost."""
        if self._loss_ratio <= 0.0:
            return False
        with self._lock:
            return self._random.random() < self._loss_ratio

    def distort(self, command: str, line: bytes) -> bytes:
        """Apply the answer faults to an encoded answer to `command`; empty bytes mean no answer."""
        if self._hits("no_answer", command):
            return b""
        if self._hits("wrong_name", command):
            answer = json.loads(line)
            key = "command" if "command" in answer else "state"
            answer[key] = f"other_{answer[key]}"
            line = json.dumps(answer, separators=(",", ":")).encode() + b"\r\n"
        if self._hits("oversized_answer", command):
            answer = json.loads(line)
            answer["padding"] = "x" * max(1, OVERSIZED_BYTES - len(line))
            line = json.dumps(answer, separators=(",", ":")).encode() + b"\r\n"
        if self._hits("malformed_answer", command):
            line = line[: len(line) // 2] + b"\r\n"
        return line

    def distort_push(self, state: dict[str, Any]) -> bytes:
        """Encode a UDP push, with the UDP faults applied; empty bytes mean no datagram."""
        if self._push_loss_ratio > 0.0:
            with self._lock:
                if self._random.random() < self._push_loss_ratio:
                    return b""
        if self.frozen or self.active("mute_udp"):
            return b""
        if self.active("garbage_udp"):
            return b"\x00\xffthis is no state\xfe" + bytes(range(32, 64))
        if self.active("six_value_udp"):
            joints = state["joint_status"]
            state = state | {"joint_status": {key: values[:6] for key, values in joints.items()}}
        return json.dumps(self._changed(state), separators=(",", ":")).encode() + b"\r\n"

    def _changed(self, state: dict[str, Any]) -> dict[str, Any]:
        """A state push with its positions frozen or shifted and its fields replaced."""
        joints = dict(state["joint_status"])
        if not self.active("freeze_positions"):
            self._frozen_position = None
        else:
            self._frozen_position = joints["joint_position"] = (
                self._frozen_position or joints["joint_position"]
            )
        if self._shift_deg:
            pairs = zip(joints["joint_position"], self._shift_deg, strict=True)
            joints["joint_position"] = [angle + round(1000.0 * shift) for angle, shift in pairs]
        fields = self._fields
        joints |= {key: value for key, value in fields.items() if key in joints}
        return state | {"joint_status": joints} | {k: v for k, v in fields.items() if k not in joints}

    def _hits(self, name: str, command: str) -> bool:
        value = self._switches[name]
        return value is True or value == command


def _share(name: str, value: Any, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= high:
        raise ValueError(f"fault '{name}' takes a number in 0..{high:g}, got {value!r}")
    return float(value)


def _shift(value: Any) -> list[float]:
    numbers = [v for v in value if isinstance(v, int | float)] if isinstance(value, list | tuple) else None
    if numbers is None or len(numbers) != len(value) or len(numbers) not in (0, 7):
        raise ValueError(f"fault 'shift_positions' takes seven degrees or [], got {value!r}")
    return numbers
