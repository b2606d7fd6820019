"""What a camera's report means: level, sentence and figures, without ROS."""

from __future__ import annotations

from kine_cameras.worker import CameraReport, CameraState

OK, WARN, ERROR = 0, 1, 2
LEAST_RATE_SHARE = 0.9
"""Below this share of the wanted rate the diagnostics warn."""


def describe(
    report: CameraReport, rate_hz: float, max_age_s: float, dropped_before: int
) -> tuple[int, str, dict[str, str]]:
    """Level (0 fine, 1 warning, 2 error), one sentence, and the figures.

    Args:
        report: of the camera.
        rate_hz: what was asked for.
        max_age_s: older frames are worth a warning.
        dropped_before: drops of the report before, to tell new ones.
    """
    frames = report.frames
    new_drops = frames.dropped - dropped_before
    values = {
        "state": report.state.value,
        "last trouble": report.reason,
        "rate hz": f"{frames.rate_hz:.1f}",
        "frames": str(frames.frames),
        "dropped": str(frames.dropped),
        "repeated": str(frames.repeated),
        "age ms": f"{frames.age_s * 1e3:.1f}",
        "max age ms": f"{frames.max_age_s * 1e3:.1f}",
        "opened": str(report.opened),
        **report.details,
    }
    if report.temperature_c is not None:
        values["temperature c"] = f"{report.temperature_c:.1f}"
    if report.state is CameraState.CLOSED:
        return WARN, "closed", values
    if report.state is not CameraState.STREAMING:
        return ERROR, report.reason or report.state.value, values
    troubles = []
    if frames.rate_hz < LEAST_RATE_SHARE * rate_hz:
        troubles.append(f"{frames.rate_hz:.1f} frames per second where {rate_hz:g} were asked for")
    if new_drops:
        troubles.append(f"{new_drops} frames dropped")
    if frames.max_age_s > max_age_s:
        troubles.append(f"frames up to {frames.max_age_s:.3f} s old, bound {max_age_s:g} s")
    return (WARN, "; ".join(troubles), values) if troubles else (OK, "streaming", values)
