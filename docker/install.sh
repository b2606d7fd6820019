#!/usr/bin/env bash
# Python packages of an image: `docker/install.sh LIST`, names in the list, versions in requirements/python.txt.
# KINE_PREFIX: where environment and workspace go, for a trial outside a container.
set -euo pipefail
venv="${KINE_PREFIX:-/opt/kine}/venv"
[[ -x "$venv/bin/pip" ]] || python3 -m venv --system-site-packages "$venv"
"$venv/bin/pip" install --no-cache-dir --disable-pip-version-check -q --no-deps \
  -c requirements/python.txt -r "$1"
