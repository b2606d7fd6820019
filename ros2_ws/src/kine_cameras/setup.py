"""Installs the camera node, the calibration command and their settings."""

from glob import glob

from setuptools import find_packages, setup

NAME = "kine_cameras"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test", "test.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/config", glob("config/*")),
    ],
    install_requires=[
        "setuptools",
        "numpy",
        "opencv-python-headless",
        "pyrealsense2",
        "pyyaml",
        "rosbags",
        "tyro",
    ],
    zip_safe=False,
    maintainer="KineVLA RM75 developers",
    maintainer_email="kinevla@example.org",
    description="RealSense, UVC and recorded cameras, and their calibration.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "camera_node = kine_cameras.programs:camera_node",
            "calibrate = kine_cameras.programs:calibrate",
        ]
    },
)
