"""Installs what the nodes of the stack share."""

from setuptools import find_packages, setup

NAME = "kine_nodes"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test", "test.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    install_requires=["setuptools", "pyyaml"],
    zip_safe=False,
    maintainer="KineVLA RM75 developers",
    maintainer_email="kinevla@example.org",
    description="What the nodes of the KineVLA stack share.",
    license="Apache-2.0",
)
