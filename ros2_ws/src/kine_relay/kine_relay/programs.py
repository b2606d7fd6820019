"""The programs of this package: what they need is looked for before it is loaded."""

from kine_nodes.start import start


def relay_node() -> None:
    """See `kine_relay.relay_node`."""
    start("kine_relay.relay_node")
