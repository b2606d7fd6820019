"""Whether a real arm moves or a simulated one, for all who show it to a person. Plain Python."""

from __future__ import annotations

import ipaddress

ARM_STATUS = "realman_driver: arm"
"""The driver's status in `/diagnostics`; its `hardware_id` is the controller's address."""
SIMULATOR = "/kine_sim"
"""The simulator's node."""


def which_arm(address: str, simulator: bool) -> str:
    """`SIMULATED`, `REAL`, or empty while nobody knows.

    Only a controller on this computer, beside the simulator's node, counts as simulated: when in doubt
    the arm is real.

    Args:
        address: of the controller, `ip:port`, as the driver's diagnostics name it; empty: unknown.
        simulator: whether the simulator's node is in the ROS graph.
    """
    if not address:
        return ""
    try:
        here = ipaddress.ip_address(address.rpartition(":")[0]).is_loopback
    except ValueError:
        here = False
    return "SIMULATED" if here and simulator else "REAL"
