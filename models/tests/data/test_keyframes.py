"""The moments that demonstrations lead to: the hand closes, it opens, the way ends."""

from __future__ import annotations

import numpy as np

from kinevla.data.keyframes import next_keyframes


def commanded(gripper: list[float]) -> dict[str, object]:
    target = np.zeros((len(gripper), 8))
    target[:, 7] = gripper
    return {"frames": len(gripper), "target": target}


def test_every_frame_looks_ahead_to_where_the_hand_closes_or_opens_next(make_episode) -> None:
    episode = make_episode(**commanded([1, 1, 0.8, 0.4, 0, 0, 0.3, 0.9, 1, 1]))
    assert next_keyframes(episode, [7]).tolist() == [3, 3, 3, 7, 7, 7, 7, 9, 9, 9]


def test_what_a_gripper_that_is_not_used_trembles_is_no_keyframe(make_episode) -> None:
    episode = make_episode(**commanded([1, 0.99, 1, 0.98, 1]))
    assert next_keyframes(episode, [7]).tolist() == [4] * 5


def test_without_a_gripper_the_end_is_the_only_keyframe(make_episode) -> None:
    assert next_keyframes(make_episode(**commanded([1, 0, 1])), []).tolist() == [2, 2, 2]


def test_of_two_hands_either_ends_the_way(make_episode) -> None:
    episode = make_episode(**commanded([1, 1, 0, 0, 0]))
    episode.target[:, 6] = [0, 0, 0, 1, 1]
    assert next_keyframes(episode, [6, 7]).tolist() == [2, 2, 3, 4, 4]
