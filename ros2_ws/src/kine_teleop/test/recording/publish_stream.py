"""Publishes two cameras and joint states as serialised messages; prints the stamps it sent as JSON.

python publish_stream.py SECONDS WIDTH HEIGHT
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
    seconds, width, height = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rclpy.init()
    node = rclpy.create_node("stream")
    names = ("/front/color/image_raw", "/wrist/color/image_raw")
    qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
    cameras = [node.create_publisher(Image, name, qos) for name in names]
    states = node.create_publisher(JointState, "/joint_states", qos)
    picture, state = bytearray(image(1, width, height)), bytearray(joints(1))
    sent: dict[str, list[int]] = {name: [] for name in (*names, "/joint_states")}
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
