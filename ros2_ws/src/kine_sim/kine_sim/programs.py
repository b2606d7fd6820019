"""The programs of this package: what they need is looked for before it is loaded."""

from kine_nodes.start import start


def sim_node() -> None:
    """See `kine_sim.nodes.sim_node`."""
    start("kine_sim.nodes.sim_node")
