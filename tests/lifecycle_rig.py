"""A node of the stack in this process, taken through its lifecycle by requests, and what it holds then."""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

from kine_nodes import ManagedNode

PATIENCE_S = 60.0
TRANSITIONS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
    "cleanup": Transition.TRANSITION_CLEANUP,
}


def _other_domain() -> int:
    """None of the environment's: other tests of this process have a driver and its clients in that one."""
    taken = os.environ.get("ROS_DOMAIN_ID", "")
    return random.SystemRandom().choice([number for number in range(20, 100) if str(number) != taken])


class NodeRig:
    """The node, and another node that calls it and listens.

    Args:
        make: the node.
        executor: what serves it; as in its own program.
        parameters: `name:=value` each.
    """

    def __init__(
        self,
        make: Callable[[], ManagedNode],
        *parameters: str,
        executor: Callable[[], Executor] = SingleThreadedExecutor,
    ) -> None:
        words = [word for parameter in parameters for word in ("-p", parameter)]
        rclpy.init(args=["--ros-args", *words] if words else [], domain_id=_other_domain())
        self.node, self.other = make(), Node("other", use_global_arguments=False)
        self._serving, self._listening = executor(), SingleThreadedExecutor()
        self._serving.add_node(self.node)
        self._listening.add_node(self.other)
        self._clients: dict[str, Any] = {}

    def spin(self) -> None:
        """Serve what has come in for both."""
        self._serving.spin_once(timeout_sec=0.002)
        self._listening.spin_once(timeout_sec=0.0)

    def until(self, condition: Callable[[], Any], what: str = "") -> Any:
        """Serve until the condition is true; its value."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not (value := condition()):
            assert time.monotonic() < deadline_s, f"not within {PATIENCE_S:.0f} s: {what or condition}"
            self.spin()
        return value

    def settle(self, duration_s: float = 0.2) -> None:
        """Serve for a while."""
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            self.spin()

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """The answer of a service."""
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = self.other.create_client(kind, name)
        self.until(client.service_is_ready, f"service {name}")
        future = client.call_async(request)
        self.until(future.done, f"answer of {name}")
        return future.result()

    def trigger(self, name: str) -> Any:
        """The answer of a service of the node's own that takes no arguments."""
        return self.call(Trigger, f"/{self.node.get_name()}/{name}", Trigger.Request())

    def change(self, *steps: str) -> bool:
        """Ask for these transitions one after the other; False with the first one that fails."""
        for step in steps:
            request = ChangeState.Request(transition=Transition(id=TRANSITIONS[step]))
            if not self.call(ChangeState, f"/{self.node.get_name()}/change_state", request).success:
                return False
        return True

    def state(self) -> str:
        """Label of the lifecycle state."""
        answer = self.call(GetState, f"/{self.node.get_name()}/get_state", GetState.Request())
        return str(answer.current_state.label)

    def graph(self) -> Counter[str]:
        """What others see of the node, each with how often it is there."""
        name, found = self.node.get_name(), Counter[str]()
        for topic, _ in self.other.get_topic_names_and_types():
            for kind, infos in (
                ("publishes", self.other.get_publishers_info_by_topic(topic)),
                ("listens to", self.other.get_subscriptions_info_by_topic(topic)),
            ):
                found[f"{kind} {topic}"] += sum(info.node_name == name for info in infos)
        for service, _ in self.other.get_service_names_and_types_by_node(name, "/"):
            found[f"serves {service}"] = self.other.count_services(service)
        return +found

    def held(self) -> Counter[str]:
        """What the node and this process hold."""
        gc.collect()
        node, found = self.node, Counter[str]()
        for kind in ("publishers", "subscriptions", "services", "clients", "timers", "guards", "waitables"):
            found[kind] = len(list(getattr(node, kind)))
        found["Python threads"] = threading.active_count()
        found["threads"] = len(os.listdir("/proc/self/task"))
        found["file descriptors"] = len(os.listdir("/proc/self/fd"))
        return found

    def close(self) -> None:
        self.node.end()
        for executor in (self._serving, self._listening):
            executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        self.other.destroy_node()
        rclpy.try_shutdown()


def go_round(rig: NodeRig, use: Callable[[int], None], times: int) -> None:
    """Configure, activate, use, deactivate, activate, deactivate, clean up, so often: nothing is doubled."""
    bare = rig.until(rig.graph)
    configured = left = Counter[str]()

    def as_configured() -> bool:
        return rig.graph() == configured

    def no_more_than_left() -> bool:
        return not rig.held() - left

    for number in range(times):
        assert rig.change("configure")
        if not number:
            rig.settle()
            configured = rig.graph()
        rig.until(as_configured, f"what the others see of it: {configured}, now {rig.graph() - configured}")
        assert rig.change("activate")
        use(number)
        assert rig.change("deactivate", "activate", "deactivate", "cleanup")
        rig.until(lambda: rig.graph() == bare, "the end of all that others see of it")
        if not number:
            rig.settle()
            left = rig.held()
        rig.until(no_more_than_left, f"no more than the first time, now more: {rig.held() - left}")
    assert configured - bare, "it had nothing when it was configured"
