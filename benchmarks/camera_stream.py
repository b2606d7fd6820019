"""The camera node on librealsense's software device: rate, drops, stamps against capture, unplugging.

Two processes, through ROS: the node with a 640x480 camera whose clock is 17 minutes ahead and 100 ppm fast,
and a subscriber that reads the true time of capture out of each picture.

    scripts/run python benchmarks/camera_stream.py --seconds 20
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[1] / "ros2_ws" / "src" / "kine_cameras" / "test"
sys.path.insert(0, str(TESTS))

from camera_rig import wait_for  # noqa: E402
from test_camera_node_through_ros import Client, NodeProcess  # noqa: E402

from kine_nodes.own_domain import OwnDomain  # noqa: E402


def measure(seconds: float) -> dict[str, float | int | str]:
    """The figures of one run."""
    domain = OwnDomain().number  # until the end of this program
    client = Client(domain)
    node = NodeProcess(domain, ["software_camera_node.py"], "serial:='0123'", "diagnostics_period_s:=0.2")
    try:
        wait_for(lambda: len(client.images) >= 30, 60, "images")
        first, begun_s = len(client.images), time.monotonic()
        time.sleep(seconds)
        count, took_s = len(client.images) - first, time.monotonic() - begun_s
        errors_ms = client.errors_ms[first : first + count]
        dropped = client.values()["dropped"]
        node.say("pull")
        wait_for(lambda: "not connected" in client.status.message, 10)
        before = len(client.images)
        node.say("plug")
        plugged_s = time.monotonic()
        wait_for(lambda: len(client.images) > before, 10)
        back_s = time.monotonic() - plugged_s
    finally:
        node.end()
        client.close()
    return {
        "images": count,
        "rate_hz": round(count / took_s, 2),
        "dropped_before_the_node": int(dropped),
        "stamp_error_ms_median": round(float(np.median(errors_ms)), 3),
        "stamp_error_ms_p99": round(float(np.percentile(errors_ms, 99)), 3),
        "stamp_error_ms_max": round(float(np.max(errors_ms)), 3),
        "images_after_plugging_in_s": round(back_s, 3),
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    print(json.dumps(measure(parser.parse_args().seconds), indent=2))


if __name__ == "__main__":
    main()
