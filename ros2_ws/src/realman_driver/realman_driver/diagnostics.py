"""What the driver says about itself: a level, a sentence and figures, without ROS."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from .arm_model import JOINT_NAMES
from .driver import Driver
from .foreign_motion import describe_motion
from .supervisor import State

# Warm enough to tell a person; the controller's own limit is far above.
HOT_C = 70.0
SLOW_STREAM_SHARE = 0.8


class Level(IntEnum):
    """Levels of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True)
class Report:
    """One diagnostic status."""

    level: Level
    message: str
    values: dict[str, str]


def build_report(driver: Driver, now_s: float) -> Report:
    """The present report.

    Args:
        driver: the driver.
        now_s: monotonic time.
    """
    supervisor = driver.supervisor
    state = supervisor.state
    message = state.value
    level = Level.OK
    if state in (State.DISCONNECTED, State.LOST):
        level, message = Level.ERROR, f"{state.value}: {supervisor.link_text}"
    elif state is State.STOPPED:
        level, message = Level.WARN, f"{state.value}: {supervisor.stop_reason}"
    else:
        warnings = _warnings(driver, now_s)
        if warnings:
            level, message = Level.WARN, f"{state.value}: {'; '.join(warnings)}"
    values = _state_values(driver) | _link_values(driver, now_s) | _counts(driver, now_s)
    return Report(level, message, values)


def _warnings(driver: Driver, now_s: float) -> list[str]:
    """What a person should know while nothing is stopped."""
    newest = driver.link.newest
    warnings: list[str] = []
    if newest is not None:
        warnings += newest.troubles()
        if driver.link.disagreement:
            warnings.append(driver.link.disagreement)
        hot = [
            f"{name} is at {value:.0f} degrees Celsius"
            for name, value in zip(JOINT_NAMES, newest.temperature_c, strict=True)
            if value > HOT_C
        ]
        warnings += hot
    if driver.supervisor.state is State.ENABLED:
        rate_hz, wanted_hz = driver.streamer.statistics(now_s).rate_hz, 1.0 / driver.config.stream_period_s
        enabled_s = now_s - driver.enabled_at_s
        if enabled_s > 1.5 and rate_hz < SLOW_STREAM_SHARE * wanted_hz:
            warnings.append(f"the stream runs at {rate_hz:.0f} Hz instead of {wanted_hz:.0f} Hz")
        contender = driver.supervisor.right.contender(now_s)
        if contender:
            warnings.append(f"two sources of chunks: {contender} was refused, another moves the arm")
        if driver.chunk_sources == 0 and driver.chunks.last_accepted_s is not None:
            age_s = now_s - driver.chunks.last_accepted_s
            warnings.append(f"the source of chunks is gone, the last came {age_s:.1f} s ago: the arm holds")
    return warnings


def _state_values(driver: Driver) -> dict[str, str]:
    supervisor = driver.supervisor
    enabled = supervisor.state in (State.ENABLED, State.HOMING)
    return {
        "state": supervisor.state.value,
        "connected": str(supervisor.connected).lower(),
        "enabled": str(enabled).lower(),
        "chunk_active": str(driver.streamer.active).lower(),
        "epoch": str(supervisor.right.epoch),
        "source": driver.mover,
        "stop_reason": supervisor.stop_reason,
        "link": supervisor.link_text,
    }


def _link_values(driver: Driver, now_s: float) -> dict[str, str]:
    link = driver.link
    info, newest, opening = link.info, link.newest, link.gripper_opening
    values = {
        "model": info.model if info else "",
        "controller_version": info.controller_version if info else "",
        "controller_generation": str(info.generation) if info else "",
        "sdk_version": info.sdk_version if info else "",
        "udp_port": str(info.udp_port) if info else "",
        "connects": str(link.connects),
        "state_age_ms": f"{link.keeper.age_s(now_s) * 1000.0:.1f}",
        "state_rate_hz": f"{link.keeper.rate_hz(now_s):.1f}",
        "state_gap_max_ms": f"{link.keeper.longest_gap_s(now_s) * 1000.0:.1f}",
        "request_ms": f"{link.request_s * 1000.0:.1f}",
        "motion": "" if newest is None else describe_motion(newest.motion),
        "gripper_opening": "" if opening is None else f"{opening:.3f}",
        "state_disagreement": link.disagreement,
        "last_state_not_believed": link.keeper.last_doubt,
    }
    for rule, count in sorted(link.keeper.doubts.items()):
        values[f"state_not_believed.{rule}"] = str(count)
    if newest is not None:
        values["errors"] = "; ".join(newest.errors)
        values["joint_error_codes"] = " ".join(f"0x{max(0, code):04X}" for code in newest.joint_error_codes)
        values["joint_temperatures_c"] = " ".join(f"{value:.1f}" for value in newest.temperature_c)
        values["joint_currents_a"] = " ".join(f"{value:.2f}" for value in newest.current_a)
    return values


def _counts(driver: Driver, now_s: float) -> dict[str, str]:
    stream, last_chunk_s = driver.streamer.statistics(now_s), driver.chunks.last_accepted_s
    values = {
        "stream_rate_hz": f"{stream.rate_hz:.1f}",
        "frames_sent": str(stream.frames_sent),
        "lateness_p99_ms": f"{stream.lateness_p99_ms:.2f}",
        "lateness_max_ms": f"{stream.lateness_max_ms:.2f}",
        "missed_periods": str(stream.missed_periods),
        "chunks_accepted": str(driver.chunks.accepted),
        "chunks_refused": str(sum(driver.chunks.refusals.values())),
        "last_refusal": driver.chunks.last_refusal,
        "chunk_age_s": "" if last_chunk_s is None else f"{now_s - last_chunk_s:.2f}",
        "chunk_sources": "" if driver.chunk_sources is None else str(driver.chunk_sources),
        "stop_ms": "" if driver.last_stop_s is None else f"{driver.last_stop_s * 1000.0:.1f}",
        "clock_steps": str(driver.clock.steps),
        "last_clock_step_s": f"{driver.clock.last_step_s:.3f}",
        "black_box_bags": str(driver.black_box.bags),
        "black_box_last": driver.black_box.last_error or driver.black_box.last_bag,
        "gripper_failures": str(driver.gripper_failures),
    }
    for rule, count in sorted(driver.chunks.refusals.items()):
        values[f"refused.{rule}"] = str(count)
    return values
