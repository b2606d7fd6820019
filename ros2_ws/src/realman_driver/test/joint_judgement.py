"""What the emulated controller's record of the joints must show after any fault."""

from __future__ import annotations

import numpy as np
from driver_rig import Stand, wait_for

from kine_sim.controller.frame_checker import peak_acceleration_rad_s2
from kine_sim.controller.record_judge import undisturbed

# The arm's figure, 600 degrees per second squared, and what the record's own resolution adds.
MAX_ACCELERATION_RAD_S2 = 10.47 + 0.5
REST_RAD = 1e-3


def record_since(stand: Stand, since_s: float) -> tuple[list[float], np.ndarray]:
    """Times and measured joints of the emulated controller."""
    rows = stand.emulator.ask(get="joints", since=since_s)["joints"]
    return [row[0] for row in rows], np.array([row[1:] for row in rows]).reshape(-1, 7)


def judge(stand: Stand, since_s: float, window_s: float = 0.06) -> None:
    """No unsafe frame, no acceleration beyond the arm's limit; prints what was looked at.

    Args:
        stand: whose record it is.
        since_s: monotonic time from which on it counts.
        window_s: of the speeds; in a short one, late frames of a fast motion look like acceleration.
    """
    state = stand.emulator.state()
    assert state["unsafe_frames"] == 0, state["violations"]
    times, joints = record_since(stand, since_s)
    arrivals = [frame["time_s"] for frame in stand.emulator.frames(since_s)]
    peaks = np.zeros(7)
    for part in undisturbed(times, arrivals):
        peaks = np.maximum(peaks, peak_acceleration_rad_s2(times[part], joints[part], window_s))
    print(f"{len(arrivals)} frames, 0 of them unsafe; highest acceleration {peaks.max():.1f} rad/s2")
    assert peaks.max() <= MAX_ACCELERATION_RAD_S2, f"the joints accelerated by {peaks.round(1)} rad/s2"


def assert_rests(stand: Stand, since_s: float) -> None:
    """From a moment on the measured joints do not move."""
    wait_for(lambda: len(record_since(stand, since_s)[0]) > 20, 30.0, "a record of the joints")
    _, joints = record_since(stand, since_s)
    assert np.ptp(joints, axis=0).max() < REST_RAD, "the arm moved"
