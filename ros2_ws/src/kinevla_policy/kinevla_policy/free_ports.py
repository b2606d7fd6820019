"""Free ports and ROS domains, so that several stacks can run on one machine."""

from __future__ import annotations

import os
import random
import socket


def free_tcp_port(host: str = "127.0.0.1") -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def quiet_domain() -> int:
    """`ROS_DOMAIN_ID` when set, else a random one from 20..99.

    Above 101 the ports of a domain clash with ephemeral ones.
    """
    given = os.environ.get("ROS_DOMAIN_ID")
    return int(given) if given else random.SystemRandom().randint(20, 99)
