"""Installs the driver node and its parameter file."""

from glob import glob

from setuptools import find_packages, setup

NAME = "realman_driver"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test", "test.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/config", glob("config/*")),
    ],
    install_requires=["setuptools", "numpy", "Robotic_Arm==1.1.6", "rosbags==0.11.9"],
    zip_safe=False,
    maintainer="KineVLA RM75 developers",
    maintainer_email="kinevla@example.org",
    description="Driver node of the Realman RM75 on the vendor's SDK.",
    license="Apache-2.0",
    entry_points={"console_scripts": ["driver_node = realman_driver.programs:driver_node"]},
)
