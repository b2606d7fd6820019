"""Installs the simulator: plain Python modules and one ROS node."""

from setuptools import find_packages, setup

NAME = "kine_sim"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test", "test.*"]),
    package_data={NAME: ["data/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/config", ["config/sim.yaml"]),
    ],
    install_requires=["setuptools", "numpy", "mujoco", "gymnasium"],
    zip_safe=False,
    maintainer="KineVLA RM75 developers",
    maintainer_email="kinevla@example.org",
    description="Simulated RM75 tabletop behind an emulated Realman controller.",
    license="Apache-2.0",
    entry_points={"console_scripts": ["sim_node = kine_sim.programs:sim_node"]},
)
