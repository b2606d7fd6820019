"""Installs the command `kine`."""

from setuptools import find_packages, setup

NAME = "kine_cli"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test", "test.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="KineVLA RM75 developers",
    maintainer_email="kinevla@example.org",
    description="The robot's services from the command line.",
    license="Apache-2.0",
    entry_points={"console_scripts": ["kine = kine_cli.main:main"]},
)
