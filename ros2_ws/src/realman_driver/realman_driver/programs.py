"""The programs of this package: what they need is looked for before it is loaded."""

from kine_nodes.start import start


def driver_node() -> None:
    """See `realman_driver.driver_node`."""
    start("realman_driver.driver_node", needs=("Robotic_Arm", "rosbags"))
