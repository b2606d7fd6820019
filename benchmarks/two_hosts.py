"""Camera images from one machine to another, raw and as jpegs, over a fast and over a narrow link.

Two network namespaces are the machines; the cameras are rendered scenes with noise, 640 x 480 at 30 frames
per second each. As root:

    scripts/run python benchmarks/two_hosts.py --seconds 10
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from two_hosts import RUN, Link, available, two_hosts

SIZE_PX = (640, 480)
RATE_HZ = 30.0
NOISE = 3.0  # standard deviation of the sensor, of 255
TOPICS = {camera: f"/{camera}/color/image_raw" for camera in ("front", "wrist")}
CASES = {
    "raw, unlimited": ("raw", Link()),
    "raw, 100 Mbit/s, 20 ms": ("raw", Link(100, 0.02)),
    "jpeg, unlimited": ("compressed", Link()),
    "jpeg, 100 Mbit/s, 20 ms": ("compressed", Link(100, 0.02)),
}


def publish(seconds: float) -> None:
    """Both cameras, paced, stamped when sent; prints how many frames."""
    import numpy as np
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    from kine_nodes.image_message import image_message
    from kine_sim.scene import sample_scene
    from kine_sim.tasks import TASKS
    from kine_sim.world import World

    world = World(sample_scene(TASKS[4], 1, True), camera_size=SIZE_PX)
    noise = np.random.default_rng(0)
    frames = {}
    for camera in TOPICS:
        clean = world.render(camera).astype(float)
        noisy = [clean + noise.normal(0.0, NOISE, clean.shape) for _ in range(5)]
        frames[camera] = [image.clip(0, 255).astype(np.uint8) for image in noisy]
    rclpy.init()
    node = rclpy.create_node("cameras")
    offered = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)
    outputs = {camera: node.create_publisher(Image, topic, offered) for camera, topic in TOPICS.items()}
    start_s, sent = time.monotonic(), 0
    while time.monotonic() - start_s < seconds:
        for camera, output in outputs.items():
            stamp = node.get_clock().now().to_msg()
            output.publish(image_message(frames[camera][sent % 5], stamp, camera))
        sent += 1
        time.sleep(max(0.0, start_s + sent / RATE_HZ - time.monotonic()))
    print(json.dumps({"sent": sent}), flush=True)
    rclpy.shutdown()


def receive(transport: str, seconds: float) -> None:
    """As the policy listens; prints frames received and their ages."""
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import CompressedImage, Image

    from kine_nodes.image_conversion import compressed_to_rgb, image_to_rgb

    rclpy.init()
    node = rclpy.create_node("listener")
    ages_ms: dict[str, list[float]] = {camera: [] for camera in TOPICS}

    def take(camera: str, message: Image | CompressedImage) -> None:
        if transport == "raw":
            image_to_rgb(message)
        else:
            compressed_to_rgb(message.data)
        stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        ages_ms[camera].append((node.get_clock().now().nanoseconds - stamp_ns) / 1e6)

    newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    kind, suffix = (Image, "") if transport == "raw" else (CompressedImage, "/compressed")
    for camera, topic in TOPICS.items():
        node.create_subscription(kind, topic + suffix, lambda m, c=camera: take(c, m), newest)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        rclpy.spin_once(node, timeout_sec=0.1)
    print(json.dumps(ages_ms), flush=True)
    rclpy.shutdown()


def measure(transport: str, link: Link, seconds: float) -> dict[str, float | int]:
    """One case: what arrived, how old it was, and what the link carried."""
    with two_hosts(link) as (robot_pc, workstation), tempfile.TemporaryDirectory() as folder:
        domain = {"ROS_DOMAIN_ID": "97"}
        this = [RUN, "python", __file__]
        log = Path(folder) / "listener.log"
        if transport == "compressed":
            node = [RUN, "python", "-m", "kinevla_policy.compressor_node"]
            robot_pc.start(node, Path(folder) / "compressor.log", **domain)
        listener = workstation.start(
            [*this, "--receive", transport, "--seconds", str(seconds + 12)], log, **domain
        )
        time.sleep(3.0)
        before, start_s = robot_pc.bytes_sent(), time.monotonic()
        done = robot_pc.run([*this, "--publish", "--seconds", str(seconds)], seconds + 60, **domain)
        carried, took_s = robot_pc.bytes_sent() - before, time.monotonic() - start_s
        listener.wait(60)
        sent = json.loads(done.stdout.splitlines()[-1])["sent"]
        ages = json.loads(log.read_text().splitlines()[-1])
        all_ages = sorted(ages["front"] + ages["wrist"])
        return {
            "sent": 2 * sent,
            "received": len(all_ages),
            "share": round(len(all_ages) / (2 * sent), 3),
            "age_median_ms": round(statistics.median(all_ages), 1) if all_ages else -1,
            "age_p99_ms": round(all_ages[int(0.99 * (len(all_ages) - 1))], 1) if all_ages else -1,
            "link_mbit_s": round(carried * 8 / min(took_s, seconds) / 1e6, 1),
        }


def main() -> None:
    """Measure every case and print one line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--publish", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--receive", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.publish:
        publish(arguments.seconds)
    elif arguments.receive:
        receive(arguments.receive, arguments.seconds)
    elif available():
        sys.exit(f"two_hosts: {available()}")
    else:
        for name, (transport, link) in CASES.items():
            print(json.dumps({"case": name, **measure(transport, link, arguments.seconds)}), flush=True)


if __name__ == "__main__":
    main()
