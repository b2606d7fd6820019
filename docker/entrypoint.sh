#!/usr/bin/env bash
# Runs a command with ROS, the workspace and the Python packages of the image at hand.
set -eo pipefail
prefix="${KINE_PREFIX:-/opt/kine}"
[[ -z "${ROS_DISTRO:-}" ]] || source "/opt/ros/$ROS_DISTRO/setup.bash"
source "$prefix/install/setup.bash"
export PATH="$prefix/venv/bin:$PATH" VIRTUAL_ENV="$prefix/venv"
exec "$@"
