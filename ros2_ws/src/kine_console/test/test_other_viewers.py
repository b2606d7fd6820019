"""Bags for Rerun and the layout for Foxglove."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from kine_console import rerun_view
from kine_console.bag_view import BagError, Line, Picture, Text, Value, arm_line, items
from kine_console.rerun_view import RerunMissing
from kine_sim import rm75

PACKAGE = Path(__file__).parents[1]
MESSAGES = PACKAGE.parent / "kine_msgs" / "msg"


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small episode: an image, a joint state, a plan, a status."""
    store = get_typestore(Stores.ROS2_JAZZY)
    plan_text = (MESSAGES / "BiLevelPlan.msg").read_text()
    store.register(get_types_from_msg(plan_text, "kine_msgs/msg/BiLevelPlan"))
    t = store.types
    time = t["builtin_interfaces/msg/Time"](sec=5, nanosec=0)
    header = t["std_msgs/msg/Header"](stamp=time, frame_id="")
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8)
    names = [*rm75.JOINT_NAMES, "gripper"]
    positions, empty = np.array([*rm75.HOME_RAD, 1.0]), np.array([])
    plan: dict[str, Any] = {
        name: {"string": "", "bool": False, "float32": 0.05}.get(kind[1], 0)
        for name, kind in store.fielddefs["kine_msgs/msg/BiLevelPlan"][1]
        for kind in [(kind[0], kind[1][0] if isinstance(kind[1], tuple) else kind[1])]
    }
    codes = np.array([3, 200], dtype=np.int32)
    plan |= {name: time for name in plan if name.endswith("_stamp")}
    plan |= {"header": header, "goal_codes": codes, "kinematics_codes": codes}
    plan |= {"instruction": "pick up the bread", "goal_reasoning": "bread", "kinematics_reasoning": "gently"}
    pair = t["diagnostic_msgs/msg/KeyValue"](key="chunks_refused", value="2")
    status = t["diagnostic_msgs/msg/DiagnosticStatus"](
        level=0, name="realman_driver: arm", message="ENABLED", hardware_id="", values=[pair]
    )
    messages = [
        (
            "/front/color/image_raw",
            t["sensor_msgs/msg/Image"](header, 4, 6, "rgb8", 0, 18, pixels),
        ),
        (
            "/joint_states",
            t["sensor_msgs/msg/JointState"](header, names, positions, empty, empty),
        ),
        ("/kinevla/plan", t["kine_msgs/msg/BiLevelPlan"](**plan)),
        ("/diagnostics", t["diagnostic_msgs/msg/DiagnosticArray"](header, [status])),
    ]
    folder = tmp_path_factory.mktemp("bag") / "episode"
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for number, (topic, message) in enumerate(messages):
            connection = writer.add_connection(topic, message.__msgtype__, typestore=store)
            writer.write(connection, 1000 + number, store.serialize_cdr(message, message.__msgtype__))
    return folder


def test_a_bag_becomes_pictures_curves_texts_and_the_arm(bag: Path):
    found = list(items(bag))
    assert [time for time, _ in found] == sorted(time for time, _ in found)
    by_name = {item.name: item for _, item in found}
    front = by_name["front"]
    assert isinstance(front, Picture) and front.pixels is not None and front.pixels.shape == (4, 6, 3)
    joint = by_name["joints/joint_2"]
    assert isinstance(joint, Value) and abs(joint.value - rm75.HOME_RAD[1]) < 1e-9
    assert isinstance(by_name["latency_s/total"], Value)
    plan = by_name["plan"]
    assert isinstance(plan, Text) and "gently `3 200`" in plan.text
    driver = by_name["diagnostics/realman_driver/arm"]
    assert isinstance(driver, Text) and "chunks_refused: 2" in driver.text
    arm = by_name["arm"]
    assert isinstance(arm, Line)
    assert np.allclose(arm.points_m[-1], rm75.tool_pose(rm75.HOME_RAD)[:3, 3], atol=1e-6)


def test_the_arm_ends_where_the_kinematics_say_for_any_pose():
    generator = np.random.default_rng(5)
    for _ in range(20):
        joints = generator.uniform(-1, 1, 7) * rm75.POSITION_LIMIT_RAD
        assert np.allclose(arm_line(joints)[-1], rm75.tool_pose(joints)[:3, 3], atol=1e-6)


def test_a_bag_that_is_not_there_is_one_clear_error(tmp_path: Path):
    with pytest.raises(BagError, match=re.escape(str(tmp_path / "none"))):
        list(items(tmp_path / "none"))


def test_a_bag_is_written_for_rerun_or_the_missing_package_is_named(bag: Path, tmp_path: Path):
    file = tmp_path / "episode.rrd"
    try:
        count = rerun_view.show(bag, file)
    except RerunMissing as error:
        assert "pip install rerun-sdk" in str(error)
        return
    assert count == len(list(items(bag)))
    assert file.stat().st_size > 1000


def test_the_foxglove_layout_shows_topics_that_exist_and_every_panel_has_its_place():
    layout = json.loads((PACKAGE / "kine_console" / "data" / "foxglove.json").read_text())
    text = json.dumps(layout)
    reference = (PACKAGE.parents[2] / "docs" / "reference" / "topics.md").read_text()
    for topic in set(re.findall(r'"(/[a-z_/0-9]+)', text)) - {"/robot_description"}:
        short = topic.replace("/estop", "/{enable,disable,estop,reset,home}")
        assert f"`{topic}`" in reference or short in reference, topic
    fields = {
        line.split()[1]
        for line in (MESSAGES / "BiLevelPlan.msg").read_text().splitlines()
        if line and not line.startswith("#")
    }
    assert set(re.findall(r"/kinevla/plan\.(\w+)", text)) <= fields

    def panels(node: Any) -> list[str]:
        return [node] if isinstance(node, str) else panels(node["first"]) + panels(node["second"])

    assert sorted(panels(layout["layout"])) == sorted(layout["configById"])
