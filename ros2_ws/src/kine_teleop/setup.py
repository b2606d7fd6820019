"""Installs the recorder, its repair tool and their settings."""

from glob import glob

from setuptools import find_packages, setup

NAME = "kine_teleop"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test", "test.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/config", glob("config/*")),
    ],
    install_requires=["setuptools", "mcap", "rosbags", "pyyaml"],
    zip_safe=False,
    maintainer="KineVLA RM75 developers",
    maintainer_email="kinevla@example.org",
    description="Recorder of demonstrations and teleoperation.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "recorder_node = kine_teleop.programs:recorder_node",
            "repair_bag = kine_teleop.programs:repair_bag",
            "puppet_node = kine_teleop.programs:puppet_node",
            "sim_leader_node = kine_teleop.programs:sim_leader_node",
            "rm75_leader_node = kine_teleop.programs:rm75_leader_node",
        ]
    },
)
