from __future__ import annotations

from kinevla.observation.pairing import Places, choose

MS = 1_000_000


def ms(*times: int) -> list[int]:
    return [time * MS for time in times]


def test_the_newest_images_that_are_close_go_with_the_joint_state_nearest_to_the_older() -> None:
    found = choose(ms(0, 66, 133), ms(5, 70), ms(0, 60, 70, 100))
    assert found == Places(front=1, wrist=1, state=2)


def test_of_two_joint_states_equally_near_the_older_is_taken() -> None:
    assert choose(ms(10), ms(10), ms(5, 15)) == Places(0, 0, 0)
    assert choose(ms(10), ms(10), ms(20, 30)) == Places(0, 0, 0)
    assert choose(ms(40), ms(40), ms(20, 30)) == Places(0, 0, 1)


def test_a_closer_pair_wins_only_among_equally_new_ones() -> None:
    assert choose(ms(0, 30), ms(0), ms(0)) == Places(0, 0, 0)
    assert choose(ms(10, 39), ms(0, 20), ms(0)) == Places(1, 1, 0)


def test_what_is_missing_or_too_far_apart_is_said_with_the_bound() -> None:
    assert choose([], ms(0), ms(0)) == "no image from the front camera yet"
    assert choose(ms(0), [], ms(0)) == "no image from the wrist camera yet"
    assert choose(ms(0), ms(0), []) == "no joint state yet"
    apart = "the closest front and wrist images are 0.090 s apart, bound 0.040 s"
    assert choose(ms(0), ms(90), ms(0)) == apart
    away = "the joint state nearest to the images is 0.500 s away, bound 0.050 s"
    assert choose(ms(500), ms(500), ms(0)) == away
