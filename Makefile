# KineVLA on the Realman RM75.
#
#   make demo   the simulated arm does what a sentence says       make test   the test suite
#
# Both first make everything they need (virtual environment, system packages, ROS workspace) and are quick the
# second time. With a ROS 2 installation sourced, that one is used instead of the ROS wheels.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-slow test-browser test-docs lint format types bench stops motion soak fuzz expert judge data train ablation docs containers clean

# `make -f somewhere/Makefile` works in the folder it is called from, which is not the project's.
ifeq ($(wildcard scripts/setup),)
$(error this is not the folder of the project: use make -C FOLDER)
endif

# A ROS 2 installation is tied to the system's Python; otherwise 3.11 is preferred.
PYTHON ?= $(shell $(if $(ROS_DISTRO),command -v python3,command -v python3.11 || command -v python3))
# Relative and fixed: make takes a path with a blank for two, and what is said on its command line is not ours.
override VENV := .venv
RUN    := scripts/run
TASK   ?= 5
SEED   ?= 2
MINUTES ?= 20
DEVICE ?= cpu
THREADS ?= 2
CHUNKS ?= 1000000

help:  ## show the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

# --- set-up ---------------------------------------------------------------------------------------
setup: $(VENV)/.ready  ## virtual environment and system packages
$(VENV)/.ready: requirements/apt.txt requirements/python.txt requirements/torch.txt requirements/ros.txt requirements/build.txt models/pyproject.toml scripts/setup
	PYTHON="$(PYTHON)" scripts/setup

SOURCES := $(shell find ros2_ws/src -type f \( -name '*.msg' -o -name '*.srv' -o -name 'CMakeLists.txt' \
	-o -name 'package.xml' -o -name 'setup.*' -o -name '*.yaml' -o -name '*.xml' -o -name '*.launch.py' \) 2>/dev/null)
build: ros2_ws/install/.ready  ## build the ROS workspace with colcon
ros2_ws/install/.ready: $(VENV)/.ready $(SOURCES) scripts/build cmake/rosidl_wheels.cmake
	scripts/build

# --- the main job ---------------------------------------------------------------------------------
demo: build  ## one instruction on the simulated arm; TASK=1..7 SEED=n, or SAY="any sentence" (writes demo_output/)
	$(RUN) python -m kinevla_policy.demo --task $(TASK) --seed $(SEED) $(if $(SAY),--say "$$SAY") --out demo_output

# --- checks ---------------------------------------------------------------------------------------
# What needs no real time runs on two processes; what does, on one.
SIM_TESTS := ros2_ws/src/kine_sim/test
PLAIN_TESTS := models/tests $(filter-out %/test_live.py,$(wildcard $(SIM_TESTS)/test_*.py))

test: build  ## lint, types and the default suite
	$(MAKE) --no-print-directory lint types
	$(RUN) python -m pytest $(PLAIN_TESTS) -m "not slow" -n 2 --dist loadfile
	$(RUN) python -m pytest ros2_ws/src/kine_nodes/test $(SIM_TESTS)/controller $(SIM_TESTS)/test_live.py \
		ros2_ws/src/realman_driver/test ros2_ws/src/kinevla_policy/test ros2_ws/src/kine_teleop/test \
		ros2_ws/src/kine_console/test ros2_ws/src/kine_cameras/test ros2_ws/src/kine_description/test \
		ros2_ws/src/kine_relay/test ros2_ws/src/kine_cli/test tests -m "not slow"

test-slow: build  ## the long checks
	$(RUN) python -m pytest models/tests ros2_ws/src tests -m slow

test-browser: build  ## the operator's page in a headless Chromium, which is installed when missing (as root)
	command -v chromium >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium)
	$(VENV)/bin/python -m pip install --disable-pip-version-check -q --no-deps -r requirements/browser.txt
	KINE_BROWSER_TEST=1 $(RUN) python -m pytest tests/test_console_in_the_browser.py

test-docs: build  ## every command of README, tutorial and how-to pages, as it stands there; takes hours
	$(RUN) python -m pytest tests/test_docs_run.py -m "slow or not slow"

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check . || (echo "run: make format"; exit 1)

format: setup  ## reformat the sources
	$(VENV)/bin/ruff check --fix . ; $(VENV)/bin/ruff format .

types: setup
	scripts/types

# --- documentation and containers ------------------------------------------------------------------
$(VENV)/.docs: $(VENV)/.ready requirements/docs.txt
	$(VENV)/bin/python -m pip install --disable-pip-version-check -q --no-deps -r requirements/docs.txt
	touch $@

docs: build $(VENV)/.docs  ## the documentation site into .site/, warnings are errors
	$(RUN) python scripts/write_parameters.py
	$(RUN) python scripts/write_api.py
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

containers: $(VENV)/.docs  ## lint the container files (no engine needed)
	$(VENV)/bin/hadolint docker/*.Dockerfile
	bash -n docker/*.sh

# --- measurements and training --------------------------------------------------------------------
bench: build  ## 60 s of 100 Hz stream from the SDK to the emulated controller
	$(RUN) python benchmarks/canfd_stream.py --seconds 60

stops: build  ## stop latency, idle and beside floods of chunks and picture bombs: 200 stops each
	$(RUN) python benchmarks/stop_latency.py --stops 200

fuzz: build  ## CHUNKS mad and sane chunks through gate and executor, judged frame by frame
	$(RUN) python ros2_ws/src/realman_driver/test/gate_fuzz.py --chunks $(CHUNKS)

motion: build  ## chunk boundaries: replayed with latency, and 100 chunks of the whole stack (writes .data/bench/)
	$(RUN) python benchmarks/chunk_boundaries.py --out .data/bench
	$(RUN) python benchmarks/stack_motion.py --chunks 100 --out .data/bench

soak: build  ## the whole stack at full rate for MINUTES: memory, lateness, shutdown (writes .data/soak/)
	$(RUN) python benchmarks/soak.py --minutes $(MINUTES) --out .data/soak

expert: build  ## scripted expert: 20 placements x 7 tasks, and 60 trials on a slippery object
	$(RUN) python -m kine_sim.check_expert --trials 20
	$(RUN) python -m kine_sim.check_expert --trials 9 --friction 0.05

judge: build  ## confusion table of the judge: 7 sentences x 7 motions and 4 mistakes, 20 scenes each
	$(RUN) python -m kine_sim.check_judge --trials 20

data: build  ## demonstrations of the scripted expert, 140 per task, into .data/demos
	$(RUN) kinevla data generate --out .data/demos --episodes-per-task 140 --image-size 224 --variation remounted

train: MINUTES := 50
train: build  ## tokeniser and policy from .data/demos, MINUTES (50) for the policy; DEVICE=cuda for a GPU
	$(RUN) kinevla tokenizer train --preset fine --data .data/demos --out .data/tokenizer --max-minutes 10
	$(RUN) kinevla train --preset kinevla --data .data/demos --tokenizer .data/tokenizer --out .data/policy \
		--device $(DEVICE) --threads $(THREADS) --max-minutes $(MINUTES)

ablation: build  ## ROW=bins, single-vq, bi-rep, bi-rea, mi or kinevla trained and evaluated; without ROW the table
	$(RUN) python benchmarks/ablation.py $(if $(ROW),--row $(ROW),--table)

clean:  ## remove everything that was built (not the downloads of pip)
	scripts/clean
