"""The programs of this package: what they need is looked for before it is loaded."""

from kine_nodes.start import start


def make_urdf() -> None:
    """See `kine_description.make_urdf`."""
    start("kine_description.make_urdf")
