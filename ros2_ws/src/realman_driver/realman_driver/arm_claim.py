"""One driver per arm on a computer: a name in the kernel that only one process can hold.

The name is a local socket without a file, so that it goes with its process, however that ends.
"""

from __future__ import annotations

import socket
import struct

from .arm_interface import ArmError


class ArmClaim:
    """The claim on the arm at an address.

    Args:
        ip: of the controller.
        port: its TCP port.
    """

    def __init__(self, ip: str, port: int) -> None:
        self._address, self._name = f"{ip}:{port}", f"\0realman_driver/{ip}:{port}"
        self._socket: socket.socket | None = None

    def take(self) -> None:
        """Take the arm; harmless when it is taken already by this object.

        Raises:
            ArmError: another process has it; names its number.
        """
        if self._socket is not None:
            return
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(self._name)
        except OSError:
            claim.close()
            raise ArmError(
                f"the arm at {self._address} is driven by another driver on this computer "
                f"(process {self._holder()}); end that one first"
            ) from None
        claim.listen(4)
        self._socket = claim

    def give_back(self) -> None:
        """Let others take the arm."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _holder(self) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            try:
                asking.connect(self._name)
                data = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            except OSError:
                return "unknown"
        return str(struct.unpack("3i", data)[0])
