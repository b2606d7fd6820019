"""Parameters of the console node: one table with text and bounds."""

from __future__ import annotations

from kine_nodes import Parameter

TABLE = {
    "autostart": Parameter(True, "configure and activate without a lifecycle manager"),
    "host": Parameter("127.0.0.1", "address to listen at; 127.0.0.1: this machine only"),
    "port": Parameter(8090, "TCP port of the page; 0: a free one, told in the log", 0, 65535),
    "token_file": Parameter("~/.kine_console/token", "file with the control token; made when missing"),
    "max_viewers": Parameter(8, "browsers at a time without the token; who has it is let in always", 1, 64),
    "checkpoint": Parameter("", "checkpoint whose trained instructions are suggested; empty: none"),
    "image_transport": Parameter("raw", "raw, or compressed: listen to <topic>/compressed"),
    "front_topic": Parameter("/front/color/image_raw", "images of the front camera"),
    "wrist_topic": Parameter("/wrist/color/image_raw", "images of the wrist camera"),
    "joint_state_topic": Parameter("/joint_states", "joint_1..joint_7 in rad and gripper 0..1"),
    "image_rate_hz": Parameter(10.0, "most pictures per second and camera", 0.5, 30.0),
    "jpeg_quality": Parameter(75, "of the pictures", 20, 95),
    "state_rate_hz": Parameter(10.0, "news per second to each browser", 1.0, 30.0),
}
