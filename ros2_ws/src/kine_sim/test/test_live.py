import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from kine_sim.judge import Judge
from kine_sim.live import MAX_LAG_S, LiveWorld
from kine_sim.scene import sample_scene
from kine_sim.tasks import TASKS
from kine_sim.world import World


@pytest.fixture
def live():
    scene = sample_scene(TASKS[4], seed=1)
    frames: list[tuple[str, int, np.ndarray]] = []
    exchanges: list[int] = []
    world = LiveWorld(
        World(scene),
        Judge(TASKS[4], scene),
        lambda: exchanges.append(threading.get_ident()),
        lambda camera, stamp_ns, image: frames.append((camera, stamp_ns, image)),
        time.time_ns,
        camera_rate_hz=10.0,
    )
    world.frames_seen, world.exchanges = frames, exchanges
    world.start()
    yield world
    world.stop()


def wait_until(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.02)


def test_simulated_time_follows_the_wall_clock(live):
    time.sleep(0.5)
    sim_start_s, wall_start_s = live.world.time_s, time.monotonic()
    time.sleep(1.0)
    passed_s = live.world.time_s - sim_start_s + live.time_lost_s
    assert passed_s == pytest.approx(time.monotonic() - wall_start_s, abs=MAX_LAG_S + 0.3)


def test_both_cameras_show_the_same_moment(live):

    def stamps_of(camera: str) -> list[int]:
        return [stamp for name, stamp, _ in live.frames_seen if name == camera]

    wait_until(lambda: min(len(stamps_of("front")), len(stamps_of("wrist"))) >= 5)
    stamps = {camera: stamps_of(camera) for camera in ("front", "wrist")}
    count = min(map(len, stamps.values()))
    assert stamps["front"][:count] == stamps["wrist"][:count]
    assert all(image.shape == (256, 256, 3) and image.std() > 5 for _, _, image in live.frames_seen)


def test_the_controller_is_given_the_state_after_every_slice_of_physics(live):
    wait_until(lambda: len(live.exchanges) > 20)
    assert len(set(live.exchanges)) == 1


def test_stop_ends_both_threads(live):
    live.stop()
    assert not [t for t in threading.enumerate() if t.name in ("physics", "cameras") and t.is_alive()]
