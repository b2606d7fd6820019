import numpy as np

from kinevla_policy.observation_buffer import ObservationBuffer, SyncedObservation

MS = 1_000_000
T0 = 1_700_000_000_000_000_000


def image(value: int) -> np.ndarray:
    return np.full((4, 4, 3), value, np.uint8)


def filled(front_ms: list[int], wrist_ms: list[int], state_ms: list[int]) -> ObservationBuffer:
    buffer = ObservationBuffer(max_pair_gap_s=0.04)
    for t in front_ms:
        buffer.add_image("front", T0 + t * MS, image(t % 256))
    for t in wrist_ms:
        buffer.add_image("wrist", T0 + t * MS, image(t % 256))
    for t in state_ms:
        buffer.add_state(T0 + t * MS, np.full(8, t / 1000))
    return buffer


def test_newest_pair_by_stamp_comes_with_the_nearest_joint_state():
    found = filled([0, 66, 133], [5, 70], [0, 60, 70, 100, 130]).newest()
    assert isinstance(found, SyncedObservation)
    assert found.front_stamp_ns == T0 + 66 * MS
    assert found.wrist_stamp_ns == T0 + 70 * MS
    assert found.state_stamp_ns == T0 + 70 * MS
    assert found.stamp_ns == T0 + 66 * MS


def test_a_missing_camera_is_named():
    assert "wrist" in str(filled([0], [], [0]).newest())


def test_images_too_far_apart_are_not_paired_and_the_gap_is_told():
    reason = filled([0], [90], [0]).newest()
    assert isinstance(reason, str)
    assert "0.090" in reason and "0.040" in reason


def test_a_joint_state_that_is_too_old_is_not_used():
    reason = filled([500], [500], [0]).newest()
    assert isinstance(reason, str)
    assert "joint state" in reason and "0.500" in reason


def test_only_images_taken_after_the_given_time_count():
    buffer = filled([0, 66], [0, 66], [0, 66])
    assert isinstance(buffer.newest(T0 + 67 * MS), str)
    assert isinstance(buffer.newest(T0 + 66 * MS), SyncedObservation)


def test_a_repeated_frame_is_dropped():
    buffer = filled([66], [66], [66])
    buffer.add_image("front", T0 + 66 * MS, image(9))
    found = buffer.newest()
    assert isinstance(found, SyncedObservation)
    assert found.front[0, 0, 0] == 66


def test_a_camera_clock_set_back_does_not_block_the_camera():
    buffer = filled([10_000], [10_000], [10_000])
    for camera in ("front", "wrist"):
        buffer.add_image(camera, T0 + 100 * MS, image(1))
    buffer.add_state(T0 + 100 * MS, np.zeros(8))
    found = buffer.newest()
    assert isinstance(found, SyncedObservation)
    assert found.stamp_ns == T0 + 100 * MS


def test_a_camera_that_is_silent_since_the_last_look_is_told_apart_from_an_old_image():
    buffer = filled([0], [0], [0])
    assert buffer.newest(T0 + 1) == "no new image from the front camera"
    assert "front camera is 0.500 s too old" in str(buffer.newest(T0 + 500 * MS))


def test_a_silent_camera_or_silent_joint_states_are_named_and_pairing_does_not_matter():
    buffer = filled([500], [400], [490])
    assert buffer.silence(T0 + 300 * MS) == ""
    assert buffer.silence(T0 + 450 * MS) == "the newest image from the wrist camera is 0.050 s too old"
    assert filled([500], [], [490]).silence(T0) == "no image from the wrist camera yet"
    assert filled([500], [500], []).silence(T0) == "no joint state yet"
