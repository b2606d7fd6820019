# Sourced by the scripts beside it: what can be said about this machine before anything is done.
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# CMake ends a text at the first letter beyond ASCII, ROS joins folders with colons, the linker splits at commas, a
# rule for ninja opens a subshell at a bracket: a build there fails half-way, with a text about something else.
# Usage: check_path FOLDER, which may be reached through a link: the names on both ways count.
check_path() {
  local LC_ALL=C known='A-Za-z0-9 ._/+@=~-' path
  for path in "$1" "$(readlink -f -- "$1")"; do
    [[ "$path" != *[!$known]* ]] \
      || fail "ROS cannot be built in '${path//$'\n'/ }': move the project to a path of ASCII letters, digits, blanks and ._-+@=~"
  done
}

check_writable() {
  [[ -w "$1" ]] || fail "'$1' cannot be written by user $(id -un 2>/dev/null || true), who runs this"
}

# A folder of this user's alone among the temporary ones, the same each time.
own_folder() {
  local folder="${TMPDIR:-/tmp}/kinevla-$(id -u)"
  (umask 077; mkdir -p -- "$folder") 2>/dev/null || true
  # Somebody else may have made it first, to be written to or to be followed.
  [[ -d "$folder" && ! -L "$folder" && -O "$folder" && -w "$folder" ]] \
    || fail "HOME='${HOME:-}' cannot be written and '$folder' is not this user's: set HOME to a folder that can be"
  printf '%s' "$folder"
}

# A virtual environment and a workspace hold the path they were made in; it may lead there through a link.
check_same_place() {
  local made
  made="$(cat -- "$1" 2>/dev/null || true)"
  [[ -z "$made" || "$(readlink -f -- "$made")" == "$2" ]] || fail "'$3' was made as '$made': run make clean and make build after moving it"
}

# A link leads into the environment of another checkout; a folder without our mark is somebody else's.
check_venv() {
  [[ ! -L "$1" ]] || fail ".venv is a link to '$(readlink "$1")': run this there, or remove the link"
  [[ ! -e "$1" || -f "$1/.made-by-setup" || -f "$1/.ready" ]] \
    || fail "'$1' was not made by scripts/setup: move it away, or remove it"
}

check_interpreter() {
  [[ -e "$1" || -L "$1" ]] || fail "there is no environment in '$1'. Run: make build"
  check_same_place "$1/.made-by-setup" "$(readlink -f -- "$1")" "$1"
  [[ -x "$1/bin/python" ]] || fail "user $(id -un 2>/dev/null || true) cannot start '$1/bin/python'" \
    "($(readlink -m -- "$1/bin/python")): make .venv with a Python that is there for this user"
}

check_domain() {
  [[ "${ROS_DOMAIN_ID:-0}" =~ ^[0-9]+$ ]] && ((10#${ROS_DOMAIN_ID:-0} <= 232)) \
    || fail "ROS_DOMAIN_ID='$ROS_DOMAIN_ID' must be a number 0..232"
}

check_log_folder() {
  [[ -z "${ROS_LOG_DIR:-}" ]] || { mkdir -p -- "$ROS_LOG_DIR" && [[ -w "$ROS_LOG_DIR" ]]; } 2>/dev/null \
    || fail "ROS_LOG_DIR='$ROS_LOG_DIR' cannot be written: unset it, or name a folder that can be"
}

# rclpy loads the middleware by name and dies in the loader when it is not there.
check_middleware() {
  local prefix prefixes
  IFS=: read -r -a prefixes <<<"${AMENT_PREFIX_PATH:-}"
  for prefix in "${prefixes[@]}"; do
    [[ ! -e "$prefix/lib/lib$RMW_IMPLEMENTATION.so" ]] || return 0
  done
  fail "RMW_IMPLEMENTATION=$RMW_IMPLEMENTATION is not installed in ${AMENT_PREFIX_PATH:-any prefix}:" \
    "unset it, or install that middleware"
}
