"""The programs of this package: what they need is looked for before it is loaded."""

from kine_nodes.start import start


def console_node() -> None:
    """See `kine_console.console_node`."""
    start("kine_console.console_node")


def kine_console() -> None:
    """See `kine_console.cli`."""
    start("kine_console.cli")
