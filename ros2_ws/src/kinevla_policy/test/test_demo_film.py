import av
import numpy as np
from PIL import Image

from kinevla_policy.demo_film import FilmFrame, draw, write_gif, write_mp4


def moment(time_s: float, level: int, goal: str = "move the bread") -> FilmFrame:
    view = np.full((256, 256, 3), level, np.uint8)
    return FilmFrame(time_s, view, 255 - view, "pick up the bread", goal, "To the front " * 20, "chunk 1")


def test_both_cameras_and_the_reasoning_are_in_the_picture():
    picture = draw(moment(0.0, 200))
    assert picture.shape == (544, 768, 3)
    assert abs(int(picture[200, 100].mean()) - 200) <= 1
    assert abs(int(picture[200, 500].mean()) - 55) <= 1
    assert (draw(moment(0.0, 200, goal="another goal")) != picture).any()


def test_a_run_becomes_a_film_of_ten_frames_a_second(tmp_path):
    path = write_mp4([moment(k / 10, 10 * k) for k in range(15)], tmp_path / "new" / "run.mp4")
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        assert stream.average_rate == 10
        assert sum(1 for _ in film.decode(video=0)) == 15


def test_a_run_becomes_a_gif(tmp_path):
    path = write_gif([moment(k / 10, 10 * k) for k in range(15)], tmp_path / "run.gif")
    with Image.open(path) as gif:
        assert gif.n_frames == 5
        assert gif.width == 576
