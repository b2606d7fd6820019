"""Raw images again as jpegs, for a policy on another machine.

Topic and format are those of ROS's `image_transport`, so that its tools show the images too. Nothing is
compressed while nobody listens, or where the camera's own node publishes `<topic>/compressed` already.
"""

from __future__ import annotations

from array import array
from collections import Counter
from functools import partial

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

import kine_nodes
from kine_nodes import IMAGE_BYTES, ManagedNode, bounded_subscription, not_read
from kine_nodes.image_conversion import ImageError, image_to_rgb, rgb_to_jpeg
from kine_nodes.status import key_values
from kinevla_policy.parameters import COMPRESSOR


class CompressorNode(ManagedNode):
    """`/image_compressor`: `sensor_msgs/Image` in, `sensor_msgs/CompressedImage` with the same header out."""

    def __init__(self) -> None:
        super().__init__("image_compressor", COMPRESSOR)

    def setup(self) -> None:
        """Open the topics."""
        values = self.values
        self._quality: int = values["jpeg_quality"]
        self._counts: Counter[str] = Counter()
        self._published_by_others: dict[str, str] = {}
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        offered = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
        self._outputs: dict[str, Publisher] = {}
        for topic in values["topics"]:
            self._outputs[topic] = self.create_publisher(CompressedImage, f"{topic}/compressed", offered)
            take = self.while_active(partial(self._take, topic))
            bounded_subscription(self, Image, topic, take, newest, IMAGE_BYTES)
        self.create_timer(1.0, self._each_second)

    def _take(self, topic: str, message: Image) -> None:
        output = self._outputs[topic]
        if topic in self._published_by_others or output.get_subscription_count() == 0:
            self._counts[f"{topic} not needed"] += 1
            return
        try:
            data = rgb_to_jpeg(image_to_rgb(message), self._quality)
        except ImageError as error:
            self._counts[f"{topic} refused"] += 1
            self.get_logger().warning(f"{topic}: {error}", throttle_duration_sec=2.0)
            return
        # The field's setter checks every element of other sequences than array.
        compressed = CompressedImage(header=message.header, format="rgb8; jpeg compressed bgr8")
        compressed.data = array("B", data)
        output.publish(compressed)
        self._counts[f"{topic} compressed"] += 1
        self._counts[f"{topic} bytes"] += len(data)

    def _each_second(self) -> None:
        self._published_by_others.clear()
        for topic in self._outputs:
            others = self.get_publishers_info_by_topic(f"{topic}/compressed")
            names = sorted({info.node_name for info in others} - {self.get_name()})
            if names:
                self._published_by_others[topic] = names[0]
        status = DiagnosticStatus(
            name="image_compressor", hardware_id="image_compressor", level=DiagnosticStatus.OK
        )
        status.message = f"jpegs of quality {self._quality}"
        values = (
            dict(self._counts)
            | not_read(self)
            | {f"{topic} published by": name for topic, name in self._published_by_others.items()}
        )
        status.values = key_values(values)
        diagnostics = DiagnosticArray(status=[status])
        diagnostics.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(diagnostics)


def main() -> None:
    """Run the node until SIGINT or SIGTERM."""
    kine_nodes.run("compressor_node", CompressorNode)


if __name__ == "__main__":
    main()
