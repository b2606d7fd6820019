"""Chunks of the policy for arms with a joint_trajectory_controller: names, checks, and what leaves.

`Relay` is plain Python; `relay_node` is its ROS shell.
"""

from kine_relay.mapping import GripperMap, JointMap
from kine_relay.relay import Point, Refused, Relay, RelayRules

__all__ = ["GripperMap", "JointMap", "Point", "Refused", "Relay", "RelayRules"]
