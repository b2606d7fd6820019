"""For any chunk at all: it is refused in words, or every frame made of it keeps the bounds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from realman_driver.arm_model import AXIS_NAMES, HOME_RAD, RATED_LIMITS
from realman_driver.chunk_executor import ChunkExecutor
from realman_driver.gate import (
    Chunk,
    ChunkPoint,
    ChunkRules,
    ReceivedChunk,
    Refusal,
    Situation,
    check_chunk,
)
from realman_driver.streamer import frame_fault

PERIOD_S = 0.01
START = (*HOME_RAD, 1.0)
WILD = st.floats(width=64)
NEAR = st.floats(-0.4, 0.4)


@st.composite
def received_chunks(draw: st.DrawFn) -> ReceivedChunk:
    wild = draw(st.booleans())
    points, time_s, q = [], 0.0, list(HOME_RAD)
    for _ in range(draw(st.integers(0, 6))):
        time_s += draw(st.floats(-0.1, 1.0) if wild else st.floats(0.01, 0.5))
        length = draw(st.sampled_from([8, 8, 8, 8, 7, 6, 0])) if wild else 8
        if wild:
            positions = tuple(draw(WILD) for _ in range(length))
        else:
            q = [value + draw(NEAR) for value in q]
            positions = (*q, draw(st.floats(0.0, 1.0)))
        points.append(ChunkPoint(positions, time_s))
    return ReceivedChunk(AXIS_NAMES, tuple(points), draw(st.sampled_from([0.0, 99.5, 99.9, 100.2])))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(received_chunks())
def test_a_chunk_is_refused_in_words_or_streams_within_all_bounds(received: ReceivedChunk) -> None:
    rules = ChunkRules()
    result = check_chunk(received, rules, Situation(RATED_LIMITS, START, 100.0))
    if isinstance(result, Refusal):
        assert result.rule
        assert len(result.text) > 20
        assert result.bound
        return
    assert isinstance(result, Chunk)
    player, last, now_s = ChunkExecutor(START, 0.0), START[:7], 0.0
    if player.load(result, 0.0) is not None:
        return  # the executor has the last word: nothing is played
    while player.active:
        now_s += PERIOD_S
        frame = player.advance(PERIOD_S, now_s)[:7]
        assert frame_fault(frame, last) is None
        for angle, before, (low, high) in zip(frame, last, RATED_LIMITS, strict=True):
            assert low <= angle <= high
            assert abs(angle - before) <= rules.max_velocity_rad_s * PERIOD_S * (1 + 1e-5) + 1e-12
        last = frame
    assert player.setpoint == result.points[-1]
