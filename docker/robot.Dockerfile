# The robot PC: driver, cameras, teleoperation, recorder and console (target `robot`), or the simulated arm (`sim`).
#   docker build -f docker/robot.Dockerfile --target robot -t kine-robot .
ARG ROS_DISTRO=jazzy
ARG BASE_IMAGE=ros:${ROS_DISTRO}-ros-base

# --- what a running stack needs ---------------------------------------------------------------------
FROM ${BASE_IMAGE} AS runtime
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Debian packages have the versions of the base image's release: a digest as BASE_IMAGE keeps them.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        "ros-${ROS_DISTRO}-cv-bridge" "ros-${ROS_DISTRO}-rmw-fastrtps-cpp" libusb-1.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 1500 kine \
    && useradd --create-home --uid 1500 --gid 1500 --groups video,plugdev kine \
    && install -d -o kine -g kine /opt/kine
ENV RMW_IMPLEMENTATION=rmw_fastrtps_cpp ROS_LOG_DIR=/tmp/ros PYTHONUNBUFFERED=1

# --- what building needs ----------------------------------------------------------------------------
FROM runtime AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
USER 1500:1500
WORKDIR /opt/kine/source
COPY --chown=kine:kine requirements requirements
COPY --chown=kine:kine docker/install.sh docker/build.sh docker/build.txt docker/robot.txt docker/sim.txt docker/
RUN docker/install.sh docker/robot.txt
COPY --chown=kine:kine models/pyproject.toml models/pyproject.toml
COPY --chown=kine:kine models/kinevla models/kinevla
COPY --chown=kine:kine ros2_ws/src ros2_ws/src
RUN docker/build.sh

FROM build AS build-sim
RUN docker/install.sh docker/sim.txt

# --- the images ---------------------------------------------------------------------------------------
FROM runtime AS robot
COPY --from=build /opt/kine/venv /opt/kine/venv
COPY --from=build /opt/kine/install /opt/kine/install
COPY docker/entrypoint.sh docker/healthcheck.py /opt/kine/
USER 1500:1500
WORKDIR /home/kine
ENV KINE_HEALTH="realman_driver: arm"
HEALTHCHECK --interval=30s --timeout=25s --start-period=90s --retries=3 \
    CMD ["/opt/kine/entrypoint.sh", "python3", "/opt/kine/healthcheck.py"]
ENTRYPOINT ["/opt/kine/entrypoint.sh"]
CMD ["ros2", "launch", "kinevla_policy", "robot.launch.py", "policy:=false", "images:=compressed"]

FROM runtime AS sim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libegl1 libegl-mesa0 libgl1-mesa-dri \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build-sim /opt/kine/venv /opt/kine/venv
COPY --from=build-sim /opt/kine/install /opt/kine/install
COPY docker/entrypoint.sh docker/healthcheck.py /opt/kine/
USER 1500:1500
WORKDIR /home/kine
ENV KINE_HEALTH="realman_driver: arm" MUJOCO_GL=egl
HEALTHCHECK --interval=30s --timeout=25s --start-period=90s --retries=3 \
    CMD ["/opt/kine/entrypoint.sh", "python3", "/opt/kine/healthcheck.py"]
ENTRYPOINT ["/opt/kine/entrypoint.sh"]
CMD ["ros2", "launch", "kinevla_policy", "robot.launch.py", "sim:=true", "policy:=false", "images:=compressed"]
