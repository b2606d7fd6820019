"""Installs the relay between the policy and another arm's controllers."""

from glob import glob

from setuptools import find_packages, setup

NAME = "kine_relay"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test", "test.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/config", glob("config/*")),
    ],
    install_requires=["setuptools", "numpy"],
    zip_safe=False,
    maintainer="KineVLA RM75 developers",
    maintainer_email="kinevla@example.org",
    description="Chunks for arms with a joint trajectory controller.",
    license="Apache-2.0",
    entry_points={"console_scripts": ["relay_node = kine_relay.programs:relay_node"]},
)
