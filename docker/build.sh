#!/usr/bin/env bash
# Builds the workspace of an image, without links to its sources, and the method beside it.
# KINE_PREFIX: where environment and workspace go, for a trial outside a container.
set -euo pipefail
prefix="${KINE_PREFIX:-/opt/kine}"
tools="$(mktemp -d)"
trap 'rm -rf "$tools"' EXIT

# ROS brings the generators and build programs that go with its messages; colcon comes on top.
"$prefix/venv/bin/python" -m pip install --no-cache-dir --disable-pip-version-check -q --no-deps \
  --target "$tools/packages" -c requirements/python.txt -c requirements/build.txt -r docker/build.txt
export PYTHONPATH="$tools/packages${PYTHONPATH:+:$PYTHONPATH}"

if [[ -n "${ROS_DISTRO:-}" ]]; then
  set +u
  source "/opt/ros/$ROS_DISTRO/setup.bash"
  set -u
fi
# colcon runs with the environment's interpreter, so that the nodes' scripts start with it.
"$prefix/venv/bin/python" -m colcon --log-base "$tools/log" build --merge-install \
  --base-paths ros2_ws/src --build-base "$tools/build" --install-base "$prefix/install" \
  --event-handlers console_direct- --cmake-args -DCMAKE_BUILD_TYPE=Release \
  "-DPython3_EXECUTABLE=$prefix/venv/bin/python" -DBUILD_TESTING=OFF
"$prefix/venv/bin/python" -m pip install --no-cache-dir --disable-pip-version-check -q --no-deps \
  --no-build-isolation ./models
