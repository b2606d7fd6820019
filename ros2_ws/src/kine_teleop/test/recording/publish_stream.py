"""Publishes two cameras and joint states as serialised messages; prints the stamps it sent as JSON.

python publish_stream.py SECONDS WIDTH HEIGHT DEPTH

Says `heard` once something listens reliably on each topic, and begins with the next line of its input. DEPTH
messages of a topic are kept for a listener that is late.
"""

import json
import struct
import sys
import time

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from recording_helpers import image, joints
from sensor_msgs.msg import Image, JointState


def main() -> None:
    seconds = float(sys.argv[1])
    width, height, depth = (int(text) for text in sys.argv[2:5])
    rclpy.init()
    node = rclpy.create_node("stream")
    names = ("/front/color/image_raw", "/wrist/color/image_raw")
    qos = QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE)
    cameras = [node.create_publisher(Image, name, qos) for name in names]
    states = node.create_publisher(JointState, "/joint_states", qos)
    picture, state = bytearray(image(1, width, height)), bytearray(joints(1))
    sent: dict[str, list[int]] = {name: [] for name in (*names, "/joint_states")}

    def heard(name: str) -> bool:
        listeners = node.get_subscriptions_info_by_topic(name)
        return any(i.qos_profile.reliability == ReliabilityPolicy.RELIABLE for i in listeners)

    while not all(heard(name) for name in sent):
        time.sleep(0.05)
    time.sleep(0.5)  # what is discovered is matched soon after
    print("heard", flush=True)
    sys.stdin.readline()  # the test has started the recording
    begin = time.time_ns()
    for i in range(int(seconds * 600)):
        time.sleep(max(0.0, (begin + i * 1_000_000_000 // 600 - time.time_ns()) / 1e9))
        now = time.time_ns()
        if i % 20 == 0:
            struct.pack_into("<iI", picture, 4, now // 10**9, now % 10**9)
            for name, publisher in zip(names, cameras, strict=True):
                publisher.publish(bytes(picture))
                sent[name].append(now)
        if i % 3 == 0:
            struct.pack_into("<iI", state, 4, now // 10**9, now % 10**9)
            states.publish(bytes(state))
            sent["/joint_states"].append(now)
    print(json.dumps(sent), flush=True)
    sys.stdin.readline()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
