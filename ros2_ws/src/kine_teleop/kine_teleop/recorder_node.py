"""ROS node `/recorder`: one rosbag2 folder per demonstration, by service."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

import kine_nodes
from kine_msgs.srv import DiscardEpisode, StartEpisode, StopEpisode
from kine_nodes import DIAGNOSTICS_BYTES, IMAGE_BYTES, ManagedNode, bounded_subscription, not_read
from kine_nodes.status import key_values
from kine_nodes.texts import printable
from kine_teleop.parameters import RECORDER
from kine_teleop.recording.episode import VERDICTS
from kine_teleop.recording.repair import repair_all
from kine_teleop.recording.session import Recorder, RecorderError, RecorderSettings
from kine_teleop.recording.topics import Topic, episode_topics

CAMERA_DEPTH, STATE_DEPTH = 60, 1000  # two seconds of frames, five of joint states


class RecorderNode(ManagedNode):
    """Hands received bytes to `Recorder`, and its answers to services and diagnostics."""

    def __init__(self) -> None:
        super().__init__("recorder", RECORDER)

    def setup(self) -> None:
        """Put the folder in order and open the topics."""
        value = self.values
        folder = Path(value["folder"]).expanduser()
        settings = RecorderSettings(
            folder, value["min_free_mb"], value["stop_free_mb"], value["queue_mb"], value["calibration_file"]
        )
        topics = episode_topics(value["image_rate_hz"], value["joint_rate_hz"])
        self._recorder = Recorder(settings, topics)
        repaired, failed = repair_all(folder)
        for result in repaired:
            self.get_logger().warning(
                f"repaired {result.folder}: {result.messages} messages, {result.verdict}"
            )
        for text in failed:
            self.get_logger().error(f"not repaired: {printable(text)}")
        self._subscriptions_by_topic: dict[str, tuple[Subscription, ReliabilityPolicy]] = {}
        for topic in self._recorder.topics.values():
            self._subscribe(topic, ReliabilityPolicy.BEST_EFFORT)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        for type_, name, serve in (
            (StartEpisode, "start", self._start),
            (StopEpisode, "stop", self._stop),
            (DiscardEpisode, "discard", self._discard),
        ):
            self.create_service(type_, f"~/{name}", self.answered_while_active(serve))
        self.create_timer(0.5, self._tick)
        self.get_logger().info(f"ready; episodes go to {folder}")

    def _subscribe(self, topic: Topic, reliability: ReliabilityPolicy) -> None:
        before = self._subscriptions_by_topic.get(topic.name)
        if before is not None:
            self.destroy_subscription(before[0])
        depth = CAMERA_DEPTH if topic.camera else STATE_DEPTH
        qos = QoSProfile(depth=depth, reliability=reliability)
        kind, take = _message_class(topic.type_name), self._taker(topic.name)
        size = IMAGE_BYTES if topic.camera else DIAGNOSTICS_BYTES
        subscription = bounded_subscription(self, kind, topic.name, take, qos, size, raw=True)
        self._subscriptions_by_topic[topic.name] = (subscription, reliability)

    def _taker(self, name: str) -> Callable[[Any], None]:
        return self.while_active(lambda data: self._recorder.receive(name, data))

    def _match_publishers(self) -> None:
        """Reliable where every publisher offers it, else best effort, which hears all of them."""
        for topic in self._recorder.topics.values():
            publishers = self.get_publishers_info_by_topic(topic.name)
            if not publishers:
                continue
            reliable = all(p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in publishers)
            wanted = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
            if wanted != self._subscriptions_by_topic[topic.name][1]:
                self._subscribe(topic, wanted)

    def _start(self, request: StartEpisode.Request, response: StartEpisode.Response) -> StartEpisode.Response:
        try:
            episode = self._recorder.start(
                request.instruction,
                request.goal_reasoning,
                request.kinematics_reasoning,
                request.operator_name,
            )
        except RecorderError as error:
            response.message = str(error)
            self.get_logger().error(f"not recording: {error}")
            return response
        response.success, response.episode_id = True, episode.episode_id
        response.bag_path = str((self._recorder.settings.folder / episode.episode_id).resolve())
        self.get_logger().info(f"recording {episode.episode_id}: '{episode.instruction}'")
        return response

    def _stop(self, request: StopEpisode.Request, response: StopEpisode.Response) -> StopEpisode.Response:
        try:
            if request.verdict >= len(VERDICTS):
                raise RecorderError(f"verdict {request.verdict} is none of 0 to {len(VERDICTS) - 1}")
            done = self._recorder.stop(VERDICTS[request.verdict], request.note)
        except RecorderError as error:
            response.message = str(error)
            return response
        response.success, response.message = not self._recorder.last_error, self._recorder.last_error
        response.episode_id, response.audit = done.episode_id, done.audit
        response.duration_s, response.messages_written = done.duration_s, done.messages
        self.get_logger().info(f"{done.folder}: {done.messages} messages, {done.audit}")
        return response

    def _discard(
        self, request: DiscardEpisode.Request, response: DiscardEpisode.Response
    ) -> DiscardEpisode.Response:
        try:
            response.episode_id = self._recorder.discard(request.reason)
        except RecorderError as error:
            response.message = str(error)
            return response
        response.success = True
        return response

    def _tick(self) -> None:
        was_recording = self._recorder.recording
        self._recorder.tick()
        if was_recording and not self._recorder.recording:
            self.get_logger().error(self._recorder.last_error)
        if not self._recorder.recording:
            # Never while recording: a subscription made anew misses what comes meanwhile.
            self._match_publishers()
        self._publish_diagnostics()

    def _publish_diagnostics(self) -> None:
        status = self._recorder.status()
        audit = status.pop("audit", None)
        worst = {"good": DiagnosticStatus.OK, "suspect": DiagnosticStatus.WARN, "bad": DiagnosticStatus.ERROR}
        level = DiagnosticStatus.ERROR if status["error"] else DiagnosticStatus.OK
        text = status["error"] or "idle"
        values = dict(status) | not_read(self)
        if audit is not None:
            level = worst[audit["verdict"]]
            text = "; ".join(["recording", audit["verdict"], *audit["reasons"]])
            for name, figures in audit["topics"].items():
                values[name] = ", ".join(f"{k} {v}" for k, v in figures.items())
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [
            DiagnosticStatus(level=level, name="recorder", message=printable(text), values=key_values(values))
        ]
        self._diagnostics.publish(message)

    def close(self) -> None:
        """End a running recording in order, and say in its note who ended it."""
        if self._recorder.recording:
            self._recorder.stop(note="ended by the end of the recorder")


def _message_class(type_name: str) -> Any:
    package, _, name = type_name.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def main() -> None:
    """Run the recorder until SIGINT or SIGTERM; exit code 2 when its settings are refused."""
    # This executor serves all in the order of its arrival, and costs less than a wait set.
    kine_nodes.run("recorder", RecorderNode, EventsExecutor)


if __name__ == "__main__":
    main()
