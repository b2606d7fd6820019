"""The node's states, in this process."""

import random
import time

import cv2
import numpy as np
import pytest
import rclpy
from camera_rig import wait_for
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from kine_cameras.camera_node import CameraNode

OK = TransitionCallbackReturn.SUCCESS


@pytest.fixture
def node(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    values = ["source:=recorded", f"recording:={tmp_path}", "autostart:=false"]
    arguments = ["--ros-args", "-r", "__node:=front", *(word for value in values for word in ("-p", value))]
    rclpy.init(args=arguments, domain_id=random.SystemRandom().randint(20, 99))
    node = CameraNode()
    yield node
    node.close()
    node.destroy_node()
    rclpy.try_shutdown()


def test_a_camera_streams_only_while_active_and_can_be_activated_again(node):
    seen = []
    assert node.trigger_configure() == OK
    publish = node._images.publish
    node._images.publish = lambda message: (seen.append(message.width), publish(message))
    assert not seen
    for _ in range(2):
        assert node.trigger_activate() == OK
        wait_for(lambda: len(seen) > 3)
        assert node.trigger_deactivate() == OK
        count = len(seen)
        time.sleep(0.2)
        assert len(seen) == count, "a frame after deactivation"
        seen.clear()


def test_parameters_change_only_before_configuring(node):
    change = [Parameter("width", value=320)]
    assert node.set_parameters(change)[0].successful
    assert node.trigger_configure() == OK
    refused = node.set_parameters([Parameter("width", value=640)])[0]
    assert not refused.successful and "clean the node up" in refused.reason
    assert node.trigger_cleanup() == OK
    assert node.set_parameters(change)[0].successful
