"""The simulated robot, with the side port of its controller open: for tests that judge its record."""

from __future__ import annotations

import sys
from pathlib import Path

import kine_nodes
from kine_sim.controller.fault_port import FaultPort
from kine_sim.nodes.sim_node import SimNode


def main() -> None:
    """As `sim_node`; the side port's number goes into the file named by the first argument."""
    kine_nodes.init(sys.argv[2:])
    node = SimNode()
    side = FaultPort(node._controller).start()
    Path(sys.argv[1]).write_text(str(side.port))
    kine_nodes.spin_until_signal(node)
    side.stop()
    node.close()


if __name__ == "__main__":
    main()
