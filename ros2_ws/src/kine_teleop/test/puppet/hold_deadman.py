"""The operator's thumb as a process of its own: publishes the deadman 20 times a second.

Reads `press` and `release` from standard input and answers each line when the first message of the new
state has been published; ends with its input.
"""

import sys
import threading

import rclpy
from rclpy.executors import ExternalShutdownException
from std_msgs.msg import Bool


def main() -> None:
    rclpy.init()
    node = rclpy.create_node("operator")
    publisher = node.create_publisher(Bool, "/kine_teleop/deadman", 10)
    state = Bool(data=True)
    node.create_timer(0.05, lambda: publisher.publish(state))

    def spin() -> None:
        try:
            rclpy.spin(node)
        except ExternalShutdownException:
            return

    thread = threading.Thread(target=spin)
    thread.start()
    for line in sys.stdin:
        state.data = line.strip() == "press"
        publisher.publish(state)
        print("done", flush=True)
    rclpy.shutdown()
    thread.join()


if __name__ == "__main__":
    main()
