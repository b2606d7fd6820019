"""What the policy thinks, for the black box: its plans as they came, where its message package is installed.

The driver needs neither a policy nor that package. A plan is kept as the bytes that arrived and never
decoded here, so that no field of it can trouble the driver.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rclpy.node import Node
from rclpy.qos import QoSProfile

import kine_nodes

from .black_box import MAX_MESSAGE_BYTES, Topic

PLAN_TOPIC, PLAN_TYPE = "/kinevla/plan", "kine_msgs/msg/BiLevelPlan"
PLAN_QOS = QoSProfile(depth=10)


def listen(node: Node, note: Callable[[Topic, bytes], None], group: Any, kind: str = PLAN_TYPE) -> str:
    """Subscribe to the plans; the topic can be remapped as any other.

    Args:
        node: whose subscription it is.
        note: told topic and serialised message of each.
        group: callback group.
        kind: type of the message, `package/msg/Name`.

    Returns:
        Nothing, or why plans are not noted.
    """
    package, _, name = kind.split("/")
    try:
        message_type = getattr(importlib.import_module(f"{package}.msg"), name)
        definition = (Path(get_package_share_directory(package)) / "msg" / f"{name}.msg").read_text()
    except (ImportError, LookupError, AttributeError, OSError) as error:
        return f"plans do not get into the black box: {error}"
    name_on_wire = node.resolve_topic_name(PLAN_TOPIC)
    topic = Topic(name_on_wire, kind, definition)
    kine_nodes.bounded_subscription(
        node,
        message_type,
        PLAN_TOPIC,
        lambda data: note(topic, data),
        PLAN_QOS,
        MAX_MESSAGE_BYTES,
        raw=True,
        callback_group=group,
    )
    return ""
