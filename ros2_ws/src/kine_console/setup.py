"""Installs the console node, its page, the Foxglove layout and the command `kine_console`."""

from glob import glob

from setuptools import find_packages, setup

NAME = "kine_console"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test", "test.*"]),
    package_data={NAME: ["page/*", "data/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/config", glob("config/*")),
    ],
    install_requires=["setuptools", "aiohttp", "rosbags", "tyro"],
    extras_require={"rerun": ["rerun-sdk"]},  # 170 MB: only for `kine_console rerun`
    zip_safe=False,
    maintainer="KineVLA RM75 developers",
    maintainer_email="kinevla@example.org",
    description="Operator console in the browser.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "console_node = kine_console.programs:console_node",
            "kine_console = kine_console.programs:kine_console",
        ]
    },
)
