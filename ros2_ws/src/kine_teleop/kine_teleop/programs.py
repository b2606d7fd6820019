"""The programs of this package: what they need is looked for before it is loaded."""

from kine_nodes.start import start


def recorder_node() -> None:
    """See `kine_teleop.recorder_node`."""
    start("kine_teleop.recorder_node")


def repair_bag() -> None:
    """See `kine_teleop.recording.repair`."""
    start("kine_teleop.recording.repair")


def puppet_node() -> None:
    """See `kine_teleop.puppet_node`."""
    start("kine_teleop.puppet_node")


def sim_leader_node() -> None:
    """See `kine_teleop.sim_leader_node`."""
    start("kine_teleop.sim_leader_node")


def rm75_leader_node() -> None:
    """See `kine_teleop.rm75_leader_node`."""
    start("kine_teleop.rm75_leader_node")
