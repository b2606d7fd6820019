"""Who may move the arm, and that a right which has ended never comes back."""

from __future__ import annotations

from kine_nodes.motion_right import UNNAMED, ChunkOrigin, MotionRight, RightRefusal, origin_of, tagged


def granted(hold_s: float = 1.0) -> MotionRight:
    right = MotionRight(hold_s)
    right.grant()
    return right


def rule(refusal: RightRefusal | None) -> str:
    return "" if refusal is None else refusal.rule


def test_a_chunk_of_the_present_epoch_may_move_the_arm() -> None:
    right = granted()
    assert right.refusal(ChunkOrigin("kinevla", right.epoch), 9.5, 10.1) is None


def test_a_chunk_of_an_earlier_epoch_is_refused_and_told_that_a_new_request_is_needed() -> None:
    right = granted()
    old = right.epoch
    right.end(11.0)
    right.grant()
    refusal = right.refusal(ChunkOrigin("kinevla", old), 11.5, 11.6)
    assert refusal is not None and refusal.rule == "epoch"
    assert str(old) in refusal.text and str(right.epoch) in refusal.text and "new request" in refusal.text


def test_epochs_grow_over_restarts_so_that_none_is_met_again() -> None:
    first = granted()
    second = MotionRight(1.0)
    second._last_epoch = first._last_epoch  # as if made within the same millisecond
    assert second.grant() > first.epoch


def test_a_chunk_without_epoch_must_have_been_observed_after_the_last_stop() -> None:
    right = granted()
    assert right.refusal(ChunkOrigin("me", None), 9.9, 10.1) is None
    right.end(10.2)
    right.grant()
    assert rule(right.refusal(ChunkOrigin("me", None), 10.1, 10.4)) == "epoch"
    assert right.refusal(ChunkOrigin("me", None), 10.3, 10.4) is None


def test_a_second_source_is_refused_while_the_first_moves_the_arm_and_named_as_contender() -> None:
    right = granted()
    right.use("kinevla", 12.0)
    assert right.source(12.9) == "kinevla"
    refusal = right.refusal(ChunkOrigin("kine_teleop", right.epoch), 12.4, 12.5)
    assert refusal is not None and refusal.rule == "source"
    assert "kinevla moves the arm" in refusal.text
    assert right.contender(13.0) == "kine_teleop" and right.contender(30.0) == ""
    assert (
        right.source(13.1) == ""
        and right.refusal(ChunkOrigin("kine_teleop", right.epoch), 13.0, 13.1) is None
    )


def test_nobody_moves_the_arm_after_the_end_of_the_right() -> None:
    right = granted()
    right.use("kinevla", 12.0)
    right.end(10.3)
    assert right.source(10.5) == "" and not right.granted
    right.use("kinevla", 13.0)
    assert right.source(10.6) == ""


def test_a_frame_tells_source_and_epoch_and_any_text_is_bounded_and_printable() -> None:
    assert origin_of(tagged("kinevla/7/2", 5)) == ChunkOrigin("kinevla", 5)
    assert origin_of("kine_teleop@17") == ChunkOrigin("kine_teleop", 17)
    assert origin_of("") == ChunkOrigin(UNNAMED, None)
    assert origin_of("camera@home/3") == ChunkOrigin("camera@home", None)
    assert origin_of("a@" + "9" * 50).epoch is None
    odd = origin_of("\x1b[31mred\n" + "x" * 10_000)
    assert odd.source.isprintable() and len(odd.source) <= 64
