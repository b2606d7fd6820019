"""Simulations and tests have a ROS domain of their own.

The numbers here lie outside of the range that is drawn from, where another test may hold any.
"""

import os
import subprocess
import sys

import pytest
import rclpy

from kine_nodes import own_domain
from kine_nodes.own_domain import OwnDomain


def test_the_domain_of_the_environment_is_never_taken_and_comes_back(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "30")
    monkeypatch.setenv("ROS_STATIC_PEERS", "192.168.1.7")
    monkeypatch.setattr(own_domain, "FIRST", 30)
    monkeypatch.setattr(own_domain, "LAST", 31)
    with OwnDomain() as domain:
        assert domain.number == 31
        assert os.environ["ROS_DOMAIN_ID"] == "31"
        assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
        assert os.environ["ROS_STATIC_PEERS"] == ""
        with pytest.raises(RuntimeError, match="no ROS domain from 30 to 31 is free"):
            OwnDomain()
    assert os.environ["ROS_DOMAIN_ID"] == "30" and os.environ["ROS_STATIC_PEERS"] == "192.168.1.7"


def test_two_programs_never_have_the_same_one(monkeypatch):
    monkeypatch.setattr(own_domain, "FIRST", 32)
    monkeypatch.setattr(own_domain, "LAST", 33)
    take = "from kine_nodes import own_domain as o; o.FIRST, o.LAST = 32, 33; print(o.OwnDomain().number); "
    with OwnDomain() as domain:
        line = [sys.executable, "-c", take + "input()"]
        other = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline().strip() == str(65 - domain.number)
        other.kill()
        other.communicate()
    with OwnDomain(), OwnDomain() as second:  # what a killed program held is free again
        assert second.number in (32, 33)


def test_a_domain_in_which_a_node_runs_is_left_alone(monkeypatch):
    monkeypatch.setattr(own_domain, "FIRST", 34)
    monkeypatch.setattr(own_domain, "LAST", 34)
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=34)
    node = rclpy.create_node("robot", context=context)
    try:
        with pytest.raises(RuntimeError, match="is free"):
            OwnDomain()
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def test_a_domain_in_which_another_user_left_memory_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(own_domain, "SHARED_MEMORY", tmp_path)
    for number in range(own_domain.FIRST, own_domain.LAST):
        (
            tmp_path / f"sem.fastrtps_port{own_domain.FIRST_PORT + own_domain.PORTS * number + 11}_mutex"
        ).touch()
    with own_domain.OwnDomain():
        pass  # of this user: no hindrance
    monkeypatch.setattr(own_domain.os, "geteuid", lambda: 12345)
    with own_domain.OwnDomain() as last:
        assert last.number == own_domain.LAST
