"""Small socket checks around the SDK's own sockets, which report little about why a link fails."""

from __future__ import annotations

import socket

from .arm_interface import ArmError

REMEDY = "is the arm on, its cable in, the address right? Without an arm: sim:=true"


def require_reachable(ip: str, port: int, timeout_s: float) -> None:
    """Open and close a TCP connection, so that an unreachable controller fails soon and with a cause.

    The SDK's own connect has no time limit on a silent network and returns only -1.

    Raises:
        ArmError: nothing answers at ip:port; names both and the cause.
    """
    try:
        with socket.create_connection((ip, port), timeout=timeout_s):
            pass
    except TimeoutError as error:
        raise ArmError(f"{ip}:{port} did not answer within {timeout_s:g} s; {REMEDY}") from error
    except OSError as error:
        raise ArmError(f"{ip}:{port}: {error.strerror or error}; {REMEDY}") from error


def local_ip_towards(ip: str, port: int) -> str:
    """Address of this computer from which packets to `ip` leave: where the controller can send its state.

    Raises:
        ArmError: there is no route to `ip`.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((ip, port))  # sends nothing: a UDP connect only chooses the route
        except OSError as error:
            raise ArmError(f"no route to {ip}: {error.strerror or error}") from error
        return str(probe.getsockname()[0])
