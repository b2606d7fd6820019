"""The driver without ROS: puts link, checks, stream, stop and requests together around one arm.

Threads: those of the datagrams and of the SDK's events, the stream (with the watchdog), the stop, the
requests. A stop and the noticing of a loss wait for none of them.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import suppress

from .arm_claim import ArmClaim
from .arm_interface import Arm, ArmError, MotionEvent, RawState
from .black_box import BlackBox
from .chunk_intake import ChunkIntake
from .clock_watch import ClockWatch
from .config import DriverConfig
from .error_codes import describe_return_code
from .foreign_motion import Activity
from .gate import ReceivedChunk, Refusal, Space
from .homing import HomeParts, HomeSettings, Homing
from .hooks import DriverHooks
from .link import ArmLink
from .link_news import LinkNews
from .request_worker import RequestWorker, WorkerTiming
from .state_watch import StateWatch
from .stop_sender import StopSender
from .streamer import GripperPolicy, Streamer
from .supervisor import Decision, State, Supervisor


class Driver:
    """One arm under supervision.

    Args:
        config: the parameters.
        arm: the arm; used by this object only.
        hooks: how to tell the outside.
    """

    def __init__(self, config: DriverConfig, arm: Arm, hooks: DriverHooks) -> None:
        self.config = config
        self._arm, self._hooks = arm, hooks
        self._closing = threading.Event()
        self.link = ArmLink(config, arm, self._closing)
        self.watch = StateWatch(self.link.keeper, config.following_bounds(), config.max_unbelieved_states)
        self.black_box = BlackBox(config.black_box(), hooks.ros_now_s, hooks.log)
        self.clock = ClockWatch(hooks.ros_now_s, config.max_chunk_age_s)
        self._claim = ArmClaim(config.robot_ip, config.robot_port)
        self.supervisor = Supervisor(self._state_changed, config.source_hold_s)
        self.streamer = Streamer(
            send=self._send_frame,
            send_gripper=self._send_gripper,
            watchdog=self._watch,
            on_failure=self._stream_failed,
            period_s=config.stream_period_s,
            gripper=GripperPolicy(config.gripper_deadband, config.gripper_interval_s),
            executor=config.executor_settings(),
        )
        self._stop_sender = StopSender(arm.stop, lambda: self.streamer.in_flight, self.streamer.wait_idle)
        self._worker = RequestWorker(
            is_connected=lambda: self.supervisor.connected,
            connect=self._connect,
            on_connect_failed=self._connect_failed,
            poll=self._poll,
            timing=WorkerTiming(config.gripper_poll_period_s, config.reconnect_min_s, config.reconnect_max_s),
        )
        self._homing = Homing(
            HomeSettings(
                config.home_joints_rad, config.home_gripper, config.home_speed_percent, config.home_timeout_s
            ),
            HomeParts(
                arm,
                Space(config.space_bounds()),
                self.link,
                self.supervisor,
                self.streamer,
                self._worker,
                self._stop_sender,
            ),
        )
        self.chunks = ChunkIntake(
            config.chunk_rules(), self.link, self.supervisor, self.streamer, self.clock, self.black_box
        )
        self._stopped_connection = 0
        self._link_news = LinkNews(self._say)
        self.chunk_sources: int | None = None
        self.last_stop_s: float | None = None
        self.enabled_at_s = 0.0
        self.gripper_failures = 0

    def start(self) -> None:
        """Start the threads; the link is made in the background."""
        self._closing.clear()
        self._arm.set_callbacks(self._receive_state, self._receive_event)
        self._stop_sender.start()
        self.streamer.start()
        self._worker.start()

    def close(self) -> bool:
        """Stop the arm if it may be moving, close the link, end the threads; at most about 1.8 s.

        Returns:
            False when a thread is stuck in the SDK.
        """
        self._closing.set()
        may_move = self.supervisor.disable("the driver is closing")
        self.streamer.halt()
        if may_move:
            self._await_stop(0.6)
        ended = [self.streamer.close(0.2), self._stop_sender.close(0.2), self._worker.close(0.6)]
        closer = threading.Thread(target=self._arm.disconnect, name="realman-close", daemon=True)
        if all(ended):
            closer.start()
            closer.join(0.4)
            ended.append(not closer.is_alive())
        self._arm.release()
        self._claim.give_back()
        self.supervisor.link_closed()
        return all(ended)

    def arm_died(self, reason: str) -> None:
        """What holds the link to the arm is dead: stop the arm by what remains, latch, connect anew."""
        self.supervisor.latch_stop(reason)
        self.streamer.halt()
        self._stop_sender.request()
        self.supervisor.link_lost(reason)

    # --- requests of people -----------------------------------------------------------------------------

    def enable(self) -> Decision:
        """Allow motion: from now on the arm holds its measured position and executes chunks."""
        now_s = time.monotonic()
        state, opening = self.link.newest, self.link.gripper_opening
        ours = self.supervisor.state in (State.ENABLED, State.HOMING)
        obstacles = self.link.obstacles(now_s, ours) if self.supervisor.connected else []
        decision = self.supervisor.enable(obstacles)
        to_engage = decision.ok and self.supervisor.state is State.ENABLED and not self.streamer.engaged
        if to_engage and state is not None and opening is not None:
            self.enabled_at_s = now_s
            self.streamer.engage((*state.position_rad, opening), now_s)
            if self.supervisor.state is not State.ENABLED:  # stopped between the two lines above
                self.streamer.halt()
        return decision

    def disable(self) -> Future[Decision]:
        """Forbid motion and stop the arm if motion was allowed."""
        was_enabled = self.supervisor.disable()
        self.streamer.halt()
        if not was_enabled:
            return _answered(Decision(True, "already disabled"))
        return self._stop_answer("disabled and stopped", "disabled, but the stop failed")

    def estop(self) -> Future[Decision]:
        """Stop at once and latch; waits for nothing."""
        self.supervisor.latch_stop("emergency stop requested")
        self.streamer.halt()
        return self._stop_answer("stopped; latched until reset", "latched until reset, but the stop failed")

    def reset(self) -> Future[Decision]:
        """Clear the errors of the arm and release a latched stop; the arm stays disabled."""
        # What is latched while the errors are being cleared was not meant by the one who asked.
        asked_after = self.supervisor.stops
        if not self.supervisor.connected:
            return self._take_over(asked_after)
        return self._worker.submit(lambda: self._reset(asked_after))

    def _take_over(self, asked_after: int) -> Future[Decision]:
        """Not connected: all a reset can do is let the next attempt take the arm from another client."""
        answer: Future[Decision] = Future()

        def ask() -> None:
            try:
                with suppress(ArmError):
                    self._arm.take_over()
                answer.set_result(self.supervisor.reset([], asked_after))
            except Exception as error:  # told to the one who asked
                answer.set_exception(error)

        threading.Thread(target=ask, name="realman-take-over", daemon=True).start()
        return answer

    def home(self) -> Future[Decision]:
        """Move to the home position; answered when it is reached or the motion ended otherwise."""
        return self._homing.begin()

    @property
    def mover(self) -> str:
        """The source whose chunks move the arm now; empty: none."""
        return self.supervisor.right.source(time.monotonic())

    def submit_chunk(self, chunk: ReceivedChunk, now_ros_s: float) -> Refusal | None:
        """Execute a chunk or refuse it, see `ChunkIntake.submit`."""
        return self.chunks.submit(chunk, now_ros_s)

    # --- what they are made of --------------------------------------------------------------------------

    def _stop_answer(self, good: str, bad: str) -> Future[Decision]:
        answer: Future[Decision] = Future()
        begun_s = time.monotonic()

        def done(stop: Future[int]) -> None:
            code = stop.result()
            self.last_stop_s = time.monotonic() - begun_s
            text = good if code == 0 else f"{bad}: {describe_return_code(code)}"
            answer.set_result(Decision(code == 0, text))

        self._stop_sender.request().add_done_callback(done)
        return answer

    def _await_stop(self, timeout_s: float) -> None:
        try:
            code = self._stop_sender.request().result(timeout_s)
        except TimeoutError:
            self._say("error", f"the controller did not confirm the stop within {timeout_s:.1f} s")
            return
        if code != 0:
            self._say("error", f"the stop failed: {describe_return_code(code)}")

    def _fault(self, reason: str) -> None:
        """Stop and latch because of something measured."""
        if self.supervisor.latch_stop(reason):
            self.streamer.halt()
            self._stop_sender.request()

    def _reset(self, asked_after: int) -> Decision:
        try:
            return self.supervisor.reset(self.link.recover(), asked_after)
        except ArmError as error:
            return Decision(False, f"cannot reset: {error}")

    def _send_frame(self, position_rad: tuple[float, ...]) -> int:
        if self.supervisor.state is not State.ENABLED:
            # A stop came in its own thread just now, between the stream's look at the state and this frame.
            self.streamer.halt()
            return 0
        code = self._arm.send_setpoint_rad(position_rad)
        if code == 0:
            self.watch.following.frame_sent(position_rad, time.monotonic())
            self.black_box.target(position_rad)
        return code

    def _send_gripper(self, target: float) -> None:
        right = self.supervisor.right
        epoch = right.epoch

        def job() -> None:
            # The request before it may have hung: what was asked for before a stop is not done after it.
            if not self.streamer.engaged or right.epoch != epoch:
                return
            try:
                self._arm.set_gripper(target)
            except ArmError as error:
                self.gripper_failures += 1
                self.streamer.resend_gripper()
                self._say("warning", f"the gripper did not take its target {target:.2f}: {error}")

        self._worker.submit_newest(job)

    # --- the link, in the request thread ------------------------------------------------------------------

    def _connect(self) -> None:
        self._claim.take()
        if self.supervisor.state is State.LOST and self._stopped_connection != self.link.connects:
            # The stop goes out, and no frame is under way, before the handle they use is deleted.
            self._stopped_connection = self.link.connects
            self.streamer.wait_idle(1.0)
            with suppress(TimeoutError):
                self._stop_sender.request().result(1.5)
        text = self.link.connect()
        if self.link.info is not None:
            self.streamer.ranges = self.link.info.limits
        self._link_news.connected()
        self.supervisor.link_up(text)

    def _connect_failed(self, reason: str) -> None:
        self.supervisor.link_failed(reason)
        self._link_news.failed(reason)

    def _poll(self) -> None:
        reason = self.link.poll_gripper()
        if reason:
            self._link_lost(reason)
        elif self.supervisor.connected and self.supervisor.state is not State.ENABLED:
            # While frames are sent, the arm must be measured where they lead; otherwise a request tells.
            before, disagreement = self.link.disagreement, self.link.check_position()
            # Twice: on a busy computer an answer may be ahead of the datagrams of a moving arm.
            if before and disagreement and self.supervisor.state is State.HOMING:
                self._fault(disagreement)

    def _link_lost(self, reason: str) -> None:
        if self.supervisor.link_lost(reason):
            self.streamer.halt()
            self._stop_sender.request()

    # --- foreign threads ----------------------------------------------------------------------------------

    def _receive_state(self, raw: RawState) -> None:
        """Thread of the datagrams."""
        state = self.link.receive(raw)
        if state is not None:
            self.black_box.state(state)
        reason = self.watch.judge(state, self._activity())
        if reason:
            self._fault(reason)
        opening = self.link.gripper_opening
        if state is not None and opening is not None and self.supervisor.connected:
            self._hooks.on_state(state, opening)

    def _activity(self) -> Activity:
        """What the driver makes the arm do just now."""
        state = self.supervisor.state
        if state is State.ENABLED and self.streamer.engaged:
            return Activity.STREAM
        return Activity.PLANNED if state is State.HOMING else Activity.NOTHING

    def _receive_event(self, event: MotionEvent) -> None:
        """SDK's TCP thread."""
        self._homing.note_event(event)

    def _watch(self, now_s: float) -> None:
        """Stream thread, each period, before a frame is sent."""
        step_s = self.clock.look()
        if step_s:
            self._say("warning", f"the clock was set by {step_s:+.3f} s; the motion is not concerned")
        if self.supervisor.connected:
            stale = self.link.check_age(now_s)
            if stale:
                self._link_lost(stale)
        if self.streamer.engaged and self.supervisor.state is not State.ENABLED:
            self.streamer.halt()
        self._homing.watch(now_s)

    def _stream_failed(self, text: str, link_is_gone: bool) -> None:
        """Stream thread: a frame could not be sent."""
        if link_is_gone:
            self._link_lost(text)
        else:
            self._fault(text)

    def _state_changed(self, before: State, after: State, reason: str) -> None:
        if after is State.ENABLED:
            self.watch.following.restart()
        if before is State.HOMING and after is not State.ENABLED:
            self._homing.abandon(reason)
        self.black_box.remark("info", f"{before.value} -> {after.value}: {reason}")
        if after in (State.STOPPED, State.LOST) and before in (State.ENABLED, State.HOMING, State.CONNECTED):
            self.black_box.write_soon(reason)
        self._hooks.on_change(before, after, reason)

    def _say(self, level: str, text: str) -> None:
        self.black_box.remark(level, text)
        self._hooks.log(level, text)


def _answered(decision: Decision) -> Future[Decision]:
    future: Future[Decision] = Future()
    future.set_result(decision)
    return future
