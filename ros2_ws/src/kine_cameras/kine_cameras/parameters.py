"""Parameters of the camera node: one table with text and bounds."""

from __future__ import annotations

from kine_nodes import Parameter

TABLE = {
    "autostart": Parameter(True, "configure and activate without a lifecycle manager"),
    "source": Parameter("realsense", "realsense, uvc or recorded"),
    "serial": Parameter("", "RealSense: serial number; empty: the only one connected"),
    "device": Parameter("/dev/video0", "UVC: number, path, or URL of a stream"),
    "recording": Parameter("", "recorded: video file, folder of images, or folder of a rosbag2"),
    "recording_topic": Parameter("", "recorded: images of a bag; empty: its only ones"),
    "loop": Parameter(True, "recorded: begin again after the last frame"),
    "width": Parameter(640, "image width, pixels", 16, 4096),
    "height": Parameter(480, "image height, pixels", 16, 4096),
    "rate_hz": Parameter(30, "frames per second", 1, 300),
    "exposure_us": Parameter(0, "time of exposure, microseconds; 0: automatic", 0, 1_000_000),
    "calibration_file": Parameter("", "YAML of `calibrate` or camera_calibration; empty: the camera's own"),
    "frame_id": Parameter("", "frame of the images; empty: <node>_color_optical_frame"),
    "frame_timeout_s": Parameter(1.0, "without a frame for this long the camera counts as lost", 0.1, 30.0),
    "reconnect_min_s": Parameter(0.2, "first pause between attempts to open it", 0.05, 10.0),
    "reconnect_max_s": Parameter(2.0, "longest pause between attempts to open it", 0.05, 60.0),
    "max_age_s": Parameter(0.1, "older frames make the diagnostics warn", 0.001, 10.0),
    "diagnostics_period_s": Parameter(1.0, "period of the diagnostics", 0.1, 10.0),
}
