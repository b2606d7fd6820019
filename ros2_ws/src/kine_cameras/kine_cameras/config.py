"""Parameters of the camera node, and the source they describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from kine_cameras.capture_mode import CaptureMode
from kine_cameras.source import Source

SOURCES = ("realsense", "uvc", "recorded")


def make_source(values: Mapping[str, Any]) -> Source:
    """The camera that the parameters ask for; nothing is opened yet.

    Raises:
        ValueError: `source` is unknown, or `recording` is not given.
    """
    kind = values["source"]
    mode = {field.name: values[field.name] for field in fields(CaptureMode)}
    # Each kind is imported where it is asked for: a robot without RealSense needs no pyrealsense2.
    if kind == "realsense":
        from kine_cameras.realsense import RealsenseSettings, RealsenseSource

        return RealsenseSource(RealsenseSettings(serial=values["serial"], **mode))
    if kind == "uvc":
        from kine_cameras.uvc import UvcSettings, UvcSource

        return UvcSource(UvcSettings(device=values["device"], **mode))
    if kind == "recorded":
        from kine_cameras.recorded import RecordedSettings, RecordedSource

        if not values["recording"]:
            raise ValueError(
                "source is 'recorded': set recording to a video file, a folder of images or a bag"
            )
        return RecordedSource(
            RecordedSettings(
                path=values["recording"],
                topic=values["recording_topic"],
                rate_hz=values["rate_hz"],
                loop=values["loop"],
            )
        )
    raise ValueError(f"source is '{kind}', must be one of {', '.join(SOURCES)}")
