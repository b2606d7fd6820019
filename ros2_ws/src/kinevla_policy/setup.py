"""Installs the policy node, the launch files and the process runner."""

from glob import glob

from setuptools import find_packages, setup

NAME = "kinevla_policy"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test", "test.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", glob("launch/*.launch.py")),
        (f"share/{NAME}/config", glob("config/*")),
    ],
    install_requires=["setuptools", "numpy", "torch", "pillow", "rich", "av", "honcho", "tyro"],
    zip_safe=False,
    maintainer="KineVLA RM75 developers",
    maintainer_email="kinevla@example.org",
    description="KineVLA policy node and launch files.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "policy_node = kinevla_policy.programs:policy_node",
            "compressor_node = kinevla_policy.programs:compressor_node",
            "stack = kinevla_policy.programs:stack",
        ]
    },
)
