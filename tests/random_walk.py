"""A random walk through all that can be asked of the robot or happen to it, and what may move the arm.

Motion outside all spans of time in which a live request explains it is motion that nobody asked for
(`walk_model`). Steps are drawn from a seed, so that a walk can be walked again (in real time: not to the
millisecond).
"""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import TextIO

from lifecycle_msgs.msg import Transition
from walk_model import STOPPED_S, Judge, Model, Unexplained
from walk_rig import NODES, Rig

from kine_msgs.msg import DriverState
from kine_msgs.srv import Approve, Instruct
from kine_nodes.motion_right import tagged

# As `STOPPED_S`: a chunk that is played to its end, or replaced by a hold; another node's chunk; a motion of
# another client of the controller.
HELD_S = 1.2
CHUNK_S = 1.5
FOREIGN_S = 4.0
POLICY, PUPPET = "kinevla: policy", "kine_teleop: puppet"
PARAMETERS = {"driver": "max_velocity_rad_s", "policy": "max_plan_age_s", "puppet": "horizon_s"}


class Walk:
    """One walk.

    Args:
        rig: what is walked through, started.
        seed: of the steps.
        log: where each step is noted.
    """

    def __init__(self, rig: Rig, seed: int, log: TextIO | None = None) -> None:
        self._rig, self._random, self._log = rig, random.Random(seed), log
        self._model = Model(up={"driver", "policy"})
        self.judge = Judge(rig, self._model)
        self.taken: Counter[str] = Counter()
        self.trace: list[str] = []
        self._steps: list[tuple[int, Callable[[], str]]] = [
            (18, self.work),
            (8, self.interrupted_work),
            (4, self.enable),
            (4, self.instruct),
            (3, self.reset),
            (4, self.estop),
            (4, self.estop_within_reset),
            (3, self.disable),
            (4, self.stop),
            (3, self.home),
            (4, self.approve),
            (4, self.chunk),
            (3, self.stale_chunk),
            (4, self.foreign_stop),
            (3, self.foreign_move),
            (3, self.foreign_emergency_stop),
            (2, self.link_broken),
            (2, self.frozen_controller),
            (2, self.positions_frozen),
            (4, self.puppet_start),
            (3, self.puppet_stop),
            (3, self.thumb),
            (2, self.node_killed),
            (3, self.node_deactivated),
            (2, self.node_cleaned_up),
            (3, self.parameter),
            (8, self.wait),
        ]

    def step(self) -> None:
        """Take one step and judge what the arm did meanwhile."""
        weights = [weight for weight, _ in self._steps]
        ((_, action),) = self._random.choices(self._steps, weights)
        name = action.__name__
        self.taken[name] += 1
        began_s = time.monotonic()
        said = action()
        took_s = time.monotonic() - began_s
        self.trace.append(f"{began_s:.2f} {name}: {said} ({took_s:.1f} s)")
        if self._log is not None:
            print(self.trace[-1], file=self._log, flush=True)
        time.sleep(self._random.uniform(0.02, 0.2))
        try:
            self.judge.look()
        except Unexplained as error:
            raise Unexplained(f"{error}\n{self.story()}") from None
        for node in ("driver", "policy", "puppet"):
            if node in self._model.up and not self._rig.alive(node):
                raise AssertionError(f"the node {node} has ended by itself\n{self.story()}")

    def story(self) -> str:
        """The last steps, for people."""
        spans = "; ".join(f"{s.why} {s.begin_s:.2f}..{s.end_s:.2f}" for s in self._model.spans[-6:])
        return "\n".join([*self.trace[-14:], f"live: {spans}"])

    # --- what a person does to have the arm work ------------------------------------------------------------

    def work(self) -> str:
        """Whatever it takes: reset, enable, an instruction, its approval."""
        state = self._rig.client.driver_state
        stopped = state is not None and state.state == DriverState.STOPPED
        if self._model.latched or stopped or self._random.random() < 0.1:
            self.reset()
        said = self.enable()
        if self._model.enabled and "policy" in self._model.up:
            said = self.instruct()
            if self._model.approving:
                time.sleep(0.5)
                said = self.approve()
            time.sleep(self._random.uniform(0.0, 1.5))
        return said

    def interrupted_work(self) -> str:
        """Work, something that ends it, reset and enable: the arm holds, nobody has asked for more."""
        self.work()
        end = self._random.choice(
            [self.estop, self.disable, self.foreign_stop, self.link_broken, self.estop_within_reset]
        )
        end()
        time.sleep(self._random.uniform(0.3, 1.2))
        self.reset()
        said = self.enable()
        time.sleep(1.5)
        return f"{end.__name__}, {said}"

    # --- what a person asks the driver for -----------------------------------------------------------------

    def enable(self) -> str:
        was_latched = self._model.latched
        ok, text = self._rig.trigger("/realman_driver/enable")
        if ok:
            if was_latched:
                raise Unexplained(f"enabled though a stop is latched\n{self.story()}")
            self._model.enabled = True
        return text

    def estop(self) -> str:
        ok, text = self._rig.trigger("/realman_driver/estop")
        if ok or text != "the driver is not active":
            self._model.stop(latched="driver" in self._model.up)
        return text

    def disable(self) -> str:
        _, text = self._rig.trigger("/realman_driver/disable")
        self._model.stop()
        return text

    def reset(self) -> str:
        ok, text = self._rig.trigger("/realman_driver/reset")
        self._model.latched = self._model.latched and not ok
        return text

    def estop_within_reset(self) -> str:
        """A stop that comes while a reset is under way, or just before it."""
        reset = self._rig.later("/realman_driver/reset")
        time.sleep(self._random.uniform(0.0, 0.2))
        _, text = self._rig.trigger("/realman_driver/estop")
        self._model.stop(latched="driver" in self._model.up)
        reset.result(60)
        # Which of the two was heard first is not known here.
        time.sleep(0.3)
        state = self._rig.client.driver_state
        self._model.latched = state is not None and state.state == DriverState.STOPPED
        return text

    def home(self) -> str:
        asked_s = time.monotonic()
        self._model.explain("home", asked_s)
        ok, text = self._rig.trigger("/realman_driver/home", 60.0)
        self._model.end("home", STOPPED_S)
        if ok and self._model.latched:
            raise Unexplained(f"home was granted though a stop is latched\n{self.story()}")
        if ok:
            self._model.end("policy", HELD_S)
            self._model.end("puppet", HELD_S)
        elif not text.startswith("cannot home"):
            self._model.stop()
        return text

    # --- the policy ---------------------------------------------------------------------------------------

    def instruct(self) -> str:
        if "policy" not in self._model.up:
            return "no policy"
        asked_s = time.monotonic()
        answer = self._rig.call("/kinevla/instruct", Instruct, Instruct.Request(instruction="swing"))
        if answer is None:
            return "no answer"
        if answer.accepted:
            if not self._model.enabled:
                time.sleep(0.5)  # what ended the right may be news to the policy
                return f"accepted late: {answer.message}"
            self._model.end("policy", HELD_S)
            if not self._model.approving:
                self._model.explain("policy", asked_s)
        return answer.message

    def stop(self) -> str:
        if "policy" not in self._model.up:
            return "no policy"
        _, text = self._rig.trigger("/kinevla/stop")
        self._model.end("policy", HELD_S)
        return text

    def approve(self) -> str:
        if "policy" not in self._model.up:
            return "no policy"
        asked_s = time.monotonic()
        answer = self._rig.call("/kinevla/approve", Approve, Approve.Request())
        if answer is not None and answer.accepted and self._model.enabled:
            self._model.explain("policy", asked_s)
        return "no answer" if answer is None else answer.message

    # --- another node -------------------------------------------------------------------------------------

    def chunk(self) -> str:
        if self._model.enabled:
            self._model.explain("chunk", time.monotonic(), CHUNK_S + 2.0)
        self._rig.chunk("somebody/1", self._random.uniform(-0.1, 0.1))
        self._model.end("chunk", CHUNK_S)
        return "sent"

    def stale_chunk(self) -> str:
        """Made for an earlier right: whatever the state, it moves nothing."""
        state = self._rig.client.driver_state
        epoch = 1 if state is None else max(0, int(state.epoch) - 1)
        self._rig.chunk(tagged("kinevla/1/0", epoch), 0.2)
        return "sent"

    # --- other clients of the controller, link and wire ----------------------------------------------------

    def foreign_stop(self) -> str:
        was_enabled = self._model.enabled
        self._rig.controller(command="set_arm_stop")
        return self._foreign(was_enabled)

    def foreign_move(self) -> str:
        was_enabled, goal = self._model.enabled, list(self._rig.measured())
        goal[0] += -0.15 if goal[0] > 0 else 0.15
        self._model.explain("foreign", time.monotonic(), FOREIGN_S)
        joint = [round(math.degrees(angle) * 1000.0) for angle in goal]
        self._rig.controller(command="movej", joint=joint, v=20, r=0, trajectory_connect=0)
        return self._foreign(was_enabled)

    def foreign_emergency_stop(self) -> str:
        was_enabled = self._model.enabled
        self._rig.controller(command="set_arm_emergency_stop", emergency_stop=1)
        time.sleep(self._random.uniform(0.0, 0.3))
        said = self._foreign(was_enabled)
        self._rig.controller(command="set_arm_emergency_stop", emergency_stop=0)
        return said

    def _foreign(self, was_enabled: bool) -> str:
        """What is not ours latches a stop while the arm is enabled."""
        for why in ("policy", "puppet", "home", "chunk"):
            self._model.end(why, STOPPED_S)
        self._model.enabled = False
        if was_enabled and "driver" in self._model.up:
            left = lambda: self._rig.client.driver_state.state != DriverState.ENABLED  # noqa: E731
            self._rig.wait_for("the driver to notice a foreign stop or motion", left, 10.0)
            self._model.latched = self._rig.client.driver_state.state == DriverState.STOPPED
        return "was enabled" if was_enabled else "was not enabled"

    def link_broken(self) -> str:
        self._rig.emulator.fault("drop", self._random.choice(["fin", "rst"]))
        self._model.stop()
        return "dropped"

    def frozen_controller(self) -> str:
        """What waits in its socket is played after the thaw."""
        self._rig.emulator.fault("freeze", True)
        time.sleep(1.0)
        self._rig.emulator.fault("freeze", False)
        self._model.stop()
        for span in self._model.spans:
            span.end_s += 0.5 if span.end_s > time.monotonic() else 0.0
        return "for 1 s"

    def positions_frozen(self) -> str:
        """The datagrams go on with old positions: noticed as soon as the setpoint moves."""
        self._rig.emulator.fault("freeze_positions", True)
        time.sleep(1.0)
        self._rig.emulator.fault("freeze_positions", False)
        state = self._rig.client.driver_state
        if state is not None and state.state != DriverState.ENABLED and self._model.enabled:
            self._model.stop(latched=state.state == DriverState.STOPPED)
        return "for 1 s"

    # --- teleoperation ------------------------------------------------------------------------------------

    def puppet_start(self) -> str:
        """With the policy's process gone: the puppet shares the arm with nobody."""
        if self._model.up & {"policy"}:
            self._end_node("policy")
        if "puppet" not in self._model.up:
            self._rig.client.diagnostics.pop(PUPPET, None)
            self._rig.start("puppet")
            self._model.up.add("puppet")
            self._rig.wait_for("the puppet", lambda: self._rig.client.diagnostic(PUPPET), 60.0)
        self._rig.pressed, self._rig.leading = True, False
        time.sleep(0.4)
        asked_s = time.monotonic()
        ok, text = self._rig.trigger("/kine_teleop/start")
        if ok and self._model.enabled:
            self._model.explain("puppet", asked_s)
            self._rig.leading = True
        elif ok:
            time.sleep(0.5)
        return text

    def puppet_stop(self) -> str:
        self._rig.leading = False
        if "puppet" not in self._model.up:
            return "no puppet"
        _, text = self._rig.trigger("/kine_teleop/stop")
        self._model.end("puppet", HELD_S)
        return text

    def thumb(self) -> str:
        """Released: the puppet stops and disables the driver. Pressed again: nothing begins by itself."""
        self._rig.pressed = not self._rig.pressed
        if not self._rig.pressed and any(
            s.why == "puppet" and s.end_s == math.inf for s in self._model.spans
        ):
            self._model.stop()
        return "pressed" if self._rig.pressed else "released"

    # --- the nodes ----------------------------------------------------------------------------------------

    def _end_node(self, name: str) -> None:
        self._rig.kill(name)
        self._model.up.discard(name)
        self._gone(name)

    def _gone(self, name: str) -> None:
        if name == "driver":
            self._model.stop()
            self._model.latched = False
        elif name == "policy":
            self._model.end("policy", HELD_S)
        else:
            self._rig.leading = False
            self._puppet_ended()

    def _puppet_ended(self) -> None:
        """It has the driver disabled where a session was running; killed, its last chunk ends."""
        self._model.end("puppet", STOPPED_S)
        time.sleep(0.3)
        state = self._rig.client.driver_state
        self._model.enabled = self._model.enabled and state is not None and state.state == DriverState.ENABLED

    def node_killed(self) -> str:
        name = self._random.choice(sorted(self._model.up))
        self._end_node(name)
        if name == "policy":
            self._start_policy()
        elif name == "driver":
            self._rig.client.driver_states.clear()
            self._rig.start(name)
            self._model.up.add(name)
        self._ready()
        return name

    def _start_policy(self) -> None:
        self._model.approving = self._random.random() < 0.3
        self._rig.client.diagnostics.pop(POLICY, None)
        self._rig.start("policy", require_approval=self._model.approving)
        self._model.up.add("policy")
        self._rig.wait_for("the policy", lambda: self._rig.client.diagnostic(POLICY), 60.0)

    def node_deactivated(self) -> str:
        name = self._random.choice(sorted(self._model.up))
        ok = self._rig.transition(name, Transition.TRANSITION_DEACTIVATE)
        if ok:
            self._gone(name)
        again = self._rig.transition(name, Transition.TRANSITION_ACTIVATE)
        self._ready()
        return f"{name} {ok} {again}"

    def node_cleaned_up(self) -> str:
        name = self._random.choice(sorted(self._model.up))
        done = self._rig.transition(name, Transition.TRANSITION_DEACTIVATE)
        if done:
            self._gone(name)
        for number in (
            Transition.TRANSITION_CLEANUP,
            Transition.TRANSITION_CONFIGURE,
            Transition.TRANSITION_ACTIVATE,
        ):
            done = self._rig.transition(name, number) and done
        if not done:
            raise AssertionError(f"the lifecycle of {name} did not go round\n{self.story()}")
        self._ready()
        return name

    def parameter(self) -> str:
        name = self._random.choice(sorted(self._model.up))
        taken = self._rig.set_parameter(name, PARAMETERS[name], 0.4)
        if taken and name != "puppet":
            raise AssertionError(f"{NODES[name]} took a parameter while it was active\n{self.story()}")
        return f"{name} {taken}"

    def wait(self) -> str:
        time.sleep(self._random.uniform(0.2, 1.0))
        return ""

    def _ready(self) -> None:
        """Where the policy has ended it is started again; both take requests."""
        if "policy" not in self._model.up and self._random.random() < 0.5:
            self._end_puppet()
            self._start_policy()

        def connected() -> bool:
            state = self._rig.client.driver_state
            return state is not None and state.state != DriverState.DISCONNECTED

        self._rig.wait_for("the driver to connect", connected, 60.0)

    def _end_puppet(self) -> None:
        if "puppet" in self._model.up:
            self._end_node("puppet")
