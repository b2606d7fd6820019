"""The policy's line in `/diagnostics`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from kine_nodes.status import key_values
from kine_nodes.texts import printable
from kinevla_policy.loop_types import LoopStatus

NAME = "kinevla: policy"
STACK_ID = "stack id"


def policy_status(
    loop: LoopStatus | None, values: Mapping[str, Any], slow_cameras: Mapping[str, float]
) -> DiagnosticStatus:
    """Phase, counts and times; WARN while it waits, is not active, or a camera is slow.

    Args:
        loop: what the loop is doing, None while the node is not active.
        values: further entries.
        slow_cameras: rate in Hz of each camera below its bound.
    """
    status = DiagnosticStatus(name=NAME, hardware_id="kinevla", level=DiagnosticStatus.OK)
    entries = dict(values)
    if loop is None:
        status.level, status.message = DiagnosticStatus.WARN, "not active"
    else:
        status.message = printable(loop.phase)
        entries |= {
            "instruction": loop.instruction,
            "instruction id": loop.instruction_id,
            "chunks of instruction": loop.chunks,
            "last instruction ended": loop.ended_because,
            "predicted latency s": f"{loop.predicted_latency_s:.3f}",
            "chunks after the arm had stopped": loop.underruns,
            "plans too late": loop.late_plans,
            **{f"waited: {reason}": count for reason, count in loop.waits.items()},
        }
        if loop.phase.startswith("waiting"):
            status.level = DiagnosticStatus.WARN
    for camera, rate_hz in slow_cameras.items():
        status.level = DiagnosticStatus.WARN
        entries[f"{camera} camera is slow"] = f"{rate_hz:.0f} Hz"
    status.values = key_values(entries)
    return status
