"""A simulated leader arm: shows a task on /leader/joint_states once `~/play` is called."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

import kine_nodes
from kine_nodes import ManagedNode
from kine_teleop.parameters import SIM_LEADER
from kine_teleop.puppet.human_timing import TimingSettings
from kine_teleop.puppet.scripted_leader import LeaderSettings, ScriptedLeader
from realman_driver.arm_model import AXIS_NAMES


def leader_settings(value: Mapping[str, Any]) -> LeaderSettings:
    """The demonstration as the parameters say.

    Raises:
        ValueError: a value is not allowed; names it.
    """
    return LeaderSettings(
        task=value["task"],
        seed=value["seed"],
        randomise=value["randomise"],
        hand_seed=value["hand_seed"],
        tremor_rad=value["tremor_rad"],
        offset_rad=tuple(value["offset_rad"]),
        timing=TimingSettings(slowdown=value["slowdown"], pause_share=value["pause_share"]),
    )


class SimLeaderNode(ManagedNode):
    """`/sim_leader`: rests in the scene's start pose until `~/play`."""

    def __init__(self) -> None:
        super().__init__("sim_leader", SIM_LEADER)

    def check(self) -> None:
        """The demonstration can be made."""
        leader_settings(self.values)

    def setup(self) -> None:
        """Plan the demonstration and open the topics."""
        self._leader = ScriptedLeader(leader_settings(self.values))
        self._publisher = self.create_publisher(JointState, "/leader/joint_states", 10)
        self.create_service(Trigger, "~/play", self.answered_while_active(self._on_play))
        self.create_timer(1.0 / self.values["rate_hz"], self.while_active(self._publish))

    def close(self) -> None:
        """End a demonstration that is being played: it is not gone on with later."""
        self._leader.rest()

    def _on_play(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._leader.play(time.monotonic())
        response.success = True
        response.message = f"the demonstration takes {self._leader.duration_s:.1f} s"
        return response

    def _publish(self) -> None:
        position = [float(value) for value in self._leader.position(time.monotonic())]
        message = JointState(name=list(AXIS_NAMES), position=position)
        message.header.stamp = self.get_clock().now().to_msg()
        self._publisher.publish(message)


def main() -> None:
    """Run the simulated leader until SIGINT or SIGTERM; exit code 2 when a parameter is not allowed."""
    kine_nodes.run("sim_leader_node", SimLeaderNode)


if __name__ == "__main__":
    main()
