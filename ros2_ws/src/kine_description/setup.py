"""Installs the robot's description: URDF, its generator, and a view for RViz."""

from glob import glob

from setuptools import find_packages, setup

NAME = "kine_description"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test", "test.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/urdf", glob("urdf/*")),
        (f"share/{NAME}/rviz", glob("rviz/*")),
        (f"share/{NAME}/launch", glob("launch/*.launch.py")),
    ],
    install_requires=["setuptools", "numpy", "pyyaml", "scipy", "tyro"],
    zip_safe=False,
    maintainer="KineVLA RM75 developers",
    maintainer_email="kinevla@example.org",
    description="URDF of the RM75 with gripper and cameras.",
    license="Apache-2.0",
    entry_points={"console_scripts": ["make_urdf = kine_description.programs:make_urdf"]},
)
