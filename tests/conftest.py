"""A running stack for the tests that go through ROS, the vendor's SDK and TCP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from running_stack import RunningStack, start_stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The whole simulated robot with the shipped checkpoint, ready for instructions."""
    running = start_stack(tmp_path_factory.mktemp("stack"), "--task", "5", "--seed", "3")
    client, alive = running.client, running.process.alive
    try:
        client.wait_for("both images", lambda: len(client.images) == 2, 60, alive)
        client.wait_for("joint states", lambda: client.joint_states, 60, alive)
        client.wait_for(
            "policy", lambda: client.diagnostic("kinevla: policy").get("message") == "idle", 120, alive
        )
        yield running
    finally:
        client.close()
        running.process.stop()
        print(running.process.tail(40))
