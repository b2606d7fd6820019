"""Whether a node of this container speaks: exit status 0 when its diagnostics arrive within a few seconds.

The name of the status is in KINE_HEALTH. What the status says does not matter: an arm that is switched off or
a latched stop is for a person to mend, not for a restart.
"""

from __future__ import annotations

import os
import sys
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray

TIMEOUT_S = 15.0


def heard(name: str, timeout_s: float) -> bool:
    """Whether the diagnostic status `name` arrives within `timeout_s`."""
    names: set[str] = set()
    rclpy.init()
    node = rclpy.create_node("kine_health", start_parameter_services=False)
    node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: names.update(status.name for status in m.status), 10
    )
    deadline_s = time.monotonic() + timeout_s
    while name not in names and time.monotonic() < deadline_s:
        rclpy.spin_once(node, timeout_sec=0.2)
    node.destroy_node()
    rclpy.shutdown()
    return name in names


def main() -> None:
    """Exit status 0, or 1 with a sentence that docker keeps with the container's health."""
    name = os.environ["KINE_HEALTH"]
    if not heard(name, TIMEOUT_S):
        sys.exit(f"no diagnostics of '{name}' within {TIMEOUT_S:.0f} s")
    print(f"'{name}' speaks")


if __name__ == "__main__":
    main()
