# Sourced by scripts/run and scripts/build: the environment of the stack, without any change to the caller's shell.
source "$(dirname "${BASH_SOURCE[0]}")/checks.sh"
KINE_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
KINE_VENV="$KINE_ROOT/.venv"
check_interpreter "$KINE_VENV"
export PATH="$KINE_VENV/bin:$PATH"
export VIRTUAL_ENV="$KINE_VENV"
if [[ -z "${ROS_DISTRO:-}" ]]; then
  # ROS 2 from wheels lives in the virtual environment's own prefix.
  export AMENT_PREFIX_PATH="$KINE_VENV" CMAKE_PREFIX_PATH="$KINE_VENV"
  export KINE_ROS_FROM_WHEELS=1
fi
# Discovery on this machine only, and a transport that carries raw images.
export ROS_AUTOMATIC_DISCOVERY_RANGE="${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
export RMW_IMPLEMENTATION="${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}"
# Nodes on other machines are found through ROS_STATIC_PEERS or a wider discovery range: then UDP on every interface.
kine_hosts=single
[[ -z "${ROS_STATIC_PEERS:-}" && "$ROS_AUTOMATIC_DISCOVERY_RANGE" == LOCALHOST ]] || kine_hosts=multi
if [[ -z "${FASTDDS_DEFAULT_PROFILES_FILE:-}" ]]; then
  export FASTDDS_DEFAULT_PROFILES_FILE="$KINE_ROOT/ros2_ws/src/kinevla_policy/config/fastdds_${kine_hosts}_host.xml"
  # Also how these profiles hold memory, which rmw_fastrtps decides by itself otherwise.
  export RMW_FASTRTPS_USE_QOS_FROM_XML=1
fi
check_middleware
check_domain
check_log_folder
# Texts are UTF-8 whatever the locale says; sentences and reports hold letters that Latin-1 does not have.
export PYTHONUTF8="${PYTHONUTF8:-1}"
# The logs of ROS, and more, go to the home.
if [[ -z "${HOME:-}" || ! -w "${HOME:-}" ]]; then
  kine_home="$(own_folder)"
  echo "HOME='${HOME:-}' cannot be written: '$kine_home' is the home of this run" >&2
  export HOME="$kine_home"
fi
export PYTHONUNBUFFERED=1
