"""The programs of this package: what they need is looked for before it is loaded."""

from kine_nodes.start import start


def camera_node() -> None:
    """See `kine_cameras.camera_node`."""
    start("kine_cameras.camera_node")


def calibrate() -> None:
    """See `kine_cameras.calibration.command`."""
    start("kine_cameras.calibration.command")
