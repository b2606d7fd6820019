# The GPU workstation: the policy beside a robot, training and evaluation.
#   docker build -f docker/workstation.Dockerfile -t kine-workstation .
# The wheels of torch bring CUDA along; the host has the NVIDIA driver and its container toolkit.
ARG ROS_DISTRO=jazzy
ARG BASE_IMAGE=ros:${ROS_DISTRO}-ros-base

# --- what a running policy and training need ---------------------------------------------------------
FROM ${BASE_IMAGE} AS runtime
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Debian packages have the versions of the base image's release: a digest as BASE_IMAGE keeps them.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        "ros-${ROS_DISTRO}-cv-bridge" "ros-${ROS_DISTRO}-rmw-fastrtps-cpp" \
        libegl1 libegl-mesa0 libgl1-mesa-dri \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 1500 kine \
    && useradd --create-home --uid 1500 --gid 1500 --groups video kine \
    && install -d -o kine -g kine /opt/kine /data
ENV RMW_IMPLEMENTATION=rmw_fastrtps_cpp ROS_LOG_DIR=/tmp/ros PYTHONUNBUFFERED=1 MUJOCO_GL=egl

# --- what building needs ------------------------------------------------------------------------------
FROM runtime AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
USER 1500:1500
WORKDIR /opt/kine/source
COPY --chown=kine:kine requirements requirements
COPY --chown=kine:kine docker/install.sh docker/build.sh docker/build.txt docker/workstation.txt docker/
# An index with CPU builds of torch saves 2.8 GB where there is no GPU.
ARG TORCH_INDEX_URL=
RUN docker/install.sh docker/workstation.txt \
    && /opt/kine/venv/bin/pip install --no-cache-dir ${TORCH_INDEX_URL:+--index-url "${TORCH_INDEX_URL}"} \
        -r requirements/torch.txt
COPY --chown=kine:kine models/pyproject.toml models/pyproject.toml
COPY --chown=kine:kine models/kinevla models/kinevla
COPY --chown=kine:kine ros2_ws/src ros2_ws/src
RUN docker/build.sh

# --- the image ----------------------------------------------------------------------------------------
FROM runtime AS workstation
COPY --from=build /opt/kine/venv /opt/kine/venv
COPY --from=build /opt/kine/install /opt/kine/install
COPY models/checkpoints/nano /opt/kine/checkpoint
COPY docker/entrypoint.sh docker/healthcheck.py /opt/kine/
USER 1500:1500
WORKDIR /data
ENV KINE_HEALTH="kinevla: policy"
HEALTHCHECK --interval=30s --timeout=25s --start-period=180s --retries=3 \
    CMD ["/opt/kine/entrypoint.sh", "python3", "/opt/kine/healthcheck.py"]
ENTRYPOINT ["/opt/kine/entrypoint.sh"]
CMD ["ros2", "launch", "kinevla_policy", "robot.launch.py", "robot:=false", "images:=compressed", "checkpoint:=/opt/kine/checkpoint"]
