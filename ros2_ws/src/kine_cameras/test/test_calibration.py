"""Lens and mount are found again from pictures of a drawn board with known truth; bad input is refused."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from drawn_board import LENS, corners_in_view, draw
from scipy.spatial.transform import Rotation

from kine_cameras import Intrinsics, intrinsics_file
from kine_cameras.calibration import Board, LensLimits, MountLimits, calibrate_lens, calibrate_mount
from kine_cameras.calibration.command import main
from kine_cameras.calibration.pictures import write_joints
from kine_description import make_urdf
from kine_description.urdf import nominal_mounts
from kine_sim import rm75

BOARD = Board(square_m=0.025, marker_m=0.018)


def pose(position, rotation: Rotation) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation.as_matrix(), position
    return matrix


def lens_poses(count: int = 14) -> list[np.ndarray]:
    """The board all over the picture, tilted about both axes."""
    rng, poses = np.random.default_rng(3), []
    while len(poses) < count:
        turn = Rotation.from_euler("xyz", rng.uniform((-35, -35, -30), (35, 35, 30)), degrees=True)
        centre = turn.apply((BOARD.size_m[0] / 2, BOARD.size_m[1] / 2, 0.0))
        distance = rng.uniform(0.30, 0.45)
        place = np.array((*rng.uniform((-0.45, -0.35), (0.45, 0.35)) * distance, distance)) - centre
        candidate = pose(place, turn)
        if corners_in_view(BOARD, candidate) > 0.6:
            poses.append(candidate)
    return poses


@pytest.fixture(scope="module")
def lens_pictures() -> list[np.ndarray]:
    return [draw(BOARD, candidate) for candidate in lens_poses()]


@pytest.fixture(scope="module")
def lens_views(lens_pictures):
    views = [BOARD.find(f"{k:03}.png", pixels) for k, pixels in enumerate(lens_pictures)]
    assert all(view is not None for view in views)
    return views


class WristStand:
    """The arm in poses from which the wrist camera sees a board on the table."""

    def __init__(self, count: int = 12) -> None:
        nominal = nominal_mounts()["wrist"]
        off = Rotation.from_euler("xyz", (1.5, -2.0, 1.0), degrees=True)
        place = nominal.translation_m + np.array((0.003, -0.002, 0.004))
        self.mount = pose(place, Rotation.from_matrix(nominal.rotation) * off)
        self.board = pose((0.26, -0.08, 0.002), Rotation.from_euler("xyz", (180.0, 0.0, 90.0), degrees=True))
        self.joints: list[np.ndarray] = []
        rng = np.random.default_rng(5)
        while len(self.joints) < count:
            joints = rm75.HOME_RAD + rng.uniform(-0.35, 0.35, 7)
            if corners_in_view(BOARD, self.seen(joints)) > 0.9:
                self.joints.append(joints)

    def seen(self, joints: np.ndarray) -> np.ndarray:
        return np.linalg.inv(rm75.forward_kinematics(joints) @ self.mount) @ self.board


@pytest.fixture(scope="module")
def stand() -> WristStand:
    return WristStand()


@pytest.fixture(scope="module")
def wrist_folder(stand, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wrist")
    joints = {}
    for k, values in enumerate(stand.joints):
        name = f"{k:03}.png"
        cv2.imwrite(str(folder / name), draw(BOARD, stand.seen(values))[..., ::-1])
        joints[name] = values
    write_joints(folder, joints)
    return folder


@pytest.fixture(scope="module")
def wrist_views(stand):
    views = [
        BOARD.find(f"{k:03}.png", draw(BOARD, stand.seen(values))) for k, values in enumerate(stand.joints)
    ]
    return views, [rm75.forward_kinematics(values) for values in stand.joints]


def test_the_lens_is_found_again_with_its_error_per_picture(lens_views):
    result = calibrate_lens(lens_views)
    found = result.intrinsics
    assert found.matrix() == pytest.approx(LENS.matrix(), abs=5.0)
    assert found.distortion[0] == pytest.approx(LENS.distortion[0], abs=0.02)
    assert result.error_px < 0.3
    assert len(result.view_error_px) == len(lens_views)
    assert abs(found.fx - LENS.fx) < 5 * max(result.std_px[0], 0.1)


@pytest.mark.parametrize("turned_deg", [4, 184])
def test_a_chessboard_serves_as_well_whichever_way_up_it_lies(turned_deg):
    board = Board(kind="chessboard", columns=8, rows=5, square_m=0.025)
    lens = Intrinsics(320, 240, 280.0, 279.0, 161.0, 118.0)
    turn = Rotation.from_euler("xyz", (10, 5, turned_deg), degrees=True)
    seen = pose(np.array((0.0, 0.0, 0.35)) - turn.apply((0.1, 0.0625, 0.0)), turn)
    view = board.find("a.png", draw(board, seen, lens))
    assert view is not None and view.points_m.shape == (28, 3)
    # Corners are counted from the end whose corner square is white: the far end of the drawn board.
    points = np.float32((0.175, 0.1, 0)) - view.points_m
    local = points @ seen[:3, :3].T + seen[:3, 3]
    pixels = local[:, :2] / local[:, 2:] * (280.0, 279.0) + (161.0, 118.0)
    assert view.pixels == pytest.approx(pixels, abs=0.6)


def flat(views):
    """The board seen straight on, moved over the picture."""
    points = np.float32([(x, y, 0) for x in range(5) for y in range(5)]) * 0.025
    straight = []
    for x in (-0.15, -0.05, 0.05):
        for y in (-0.12, -0.07, -0.02, 0.03):
            local = points + np.float32((x, y, 0.3))
            pixels, _ = cv2.projectPoints(local, np.zeros(3), np.zeros(3), LENS.matrix(), np.zeros(5))
            straight.append(replace(views[0], points_m=points, pixels=pixels.reshape(-1, 2)))
    return straight


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda views: views[:6], "found in 6 pictures, needed are 10"),
        (
            lambda views: [*views[:-1], replace(views[-1], size=(320, 240))],
            "different sizes: 320x240, 640x480",
        ),
        (lambda views: [views[0]] * 12, "covers"),
        (flat, "degrees between pictures, needed are 20"),
        (
            lambda views: [*views[:-1], replace(views[-1], pixels=views[-1].pixels[::-1])],
            "worst is 013.png",
        ),
    ],
)
def test_pictures_that_cannot_give_a_lens_are_refused_with_the_bound(lens_views, spoil, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        calibrate_lens(spoil(lens_views), LensLimits())


def test_the_command_finds_lens_and_mount_and_the_description_takes_them(
    lens_pictures, wrist_folder, stand, tmp_path, capsys
):
    folder = tmp_path / "lens"
    folder.mkdir()
    for k, pixels in enumerate(lens_pictures):
        cv2.imwrite(str(folder / f"{k:03}.png"), pixels[..., ::-1])
    cv2.imwrite(str(folder / "empty.png"), np.full((480, 640, 3), 90, np.uint8))
    board = ["--board.square-m", "0.025", "--board.marker-m", "0.018"]
    lens, mount = tmp_path / "wrist.yaml", tmp_path / "wrist_mount.yaml"
    common = ["--camera", "wrist", *board]
    assert main(["lens", "--folder", str(folder), "--out", str(lens), *common]) == 0
    printed = capsys.readouterr().out
    assert "empty.png" in printed and "board not found" in printed and "013.png" in printed
    assert intrinsics_file.read(lens).fx == pytest.approx(LENS.fx, abs=5.0)

    line = ["mount", "--folder", str(wrist_folder), "--lens", str(lens), "--out", str(mount), *common]
    assert main(line) == 0
    assert cv2.imread(str(mount.with_suffix(".png"))).shape[0] > 300
    content = yaml.safe_load(mount.read_text())
    found = content["mount"]
    assert found["parent_frame"] == "link_7"
    off_mm = 1e3 * np.linalg.norm(np.array(found["translation_m"]) - stand.mount[:3, 3])
    turn = Rotation.from_quat(found["quaternion_xyzw"]) * Rotation.from_matrix(stand.mount[:3, :3]).inv()
    assert off_mm < 3.0, "an error of the lens becomes one of the distance: half a percent of 0.3 m"
    assert np.degrees(turn.magnitude()) < 0.3
    assert content["calibration"]["error_px"] < 0.5
    assert content["calibration"]["position_error_mm"] < 1.0
    assert f'xyz="{found["translation_m"][0]:.9g} ' in make_urdf.urdf(wrist_mount=str(mount))


def test_a_camera_beside_the_arm_is_found_from_a_board_in_the_gripper(stand, wrist_views):
    views, flanges = wrist_views
    # The same pictures, told from the board's side: as if the flange carried the board.
    held = [np.linalg.inv(pose_in_base) for pose_in_base in flanges]
    result = calibrate_mount(views, held, LENS, on_flange=False)
    assert result.camera[:3, 3] == pytest.approx(stand.mount[:3, 3], abs=1e-3)


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda views, poses: (views[:5], poses[:5]), "found in 5 pictures, needed are 8"),
        (
            lambda views, poses: ([views[0]] * 9, [poses[0]] * 9),
            "turned by 0.0 degrees about its second axis, needed are 5.0",
        ),
        (lambda views, poses: (views, poses[::-1]), "do pictures and joints belong together"),
        (
            lambda views, poses: (views, [*poses[:-1], poses[-1] @ pose((0, 0, 0.03), Rotation.identity())]),
            "worst is 011.png",
        ),
        (
            lambda views, poses: ([replace(views[0], size=(320, 240)), *views[1:]], poses),
            "000.png is 320x240, the intrinsics are for 640x480",
        ),
    ],
)
def test_pictures_that_cannot_give_a_mount_are_refused_with_the_bound(wrist_views, spoil, text):
    views, poses = spoil(*wrist_views)
    with pytest.raises(ValueError, match=re.escape(text)):
        calibrate_mount(views, poses, LENS, limits=MountLimits())


def test_a_fisheye_lens_is_not_taken_for_another(wrist_views):
    lens = replace(LENS, distortion=(0.1, 0.0, 0.0, 0.0), model="equidistant")
    with pytest.raises(ValueError, match="model 'equidistant', must be plumb_bob or rational_polynomial"):
        calibrate_mount(*wrist_views, lens)


def test_a_wrong_file_of_joints_ends_the_command_with_one_line(wrist_folder, tmp_path, capsys):
    lens = tmp_path / "lens.yaml"
    lens.write_text(yaml.safe_dump(intrinsics_file.to_mapping("wrist", LENS)))
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "000.png"), np.zeros((480, 640, 3), np.uint8))
    with (folder / "joints.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *rm75.JOINT_NAMES])
        writer.writerow(["000.png", 0, 90, 0, 70, 0, 90, 0])  # degrees
    line = ["mount", "--camera", "wrist", "--folder", str(folder), "--lens", str(lens), "--out", "x.yaml"]
    assert main(line) == 2
    error = capsys.readouterr().err
    assert "000.png: joint_2 = 90.0000 rad is outside its limit of +-2.2689 rad" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"marker_m": 0.031}, "marker_m is 0.031"),
        ({"kind": "chessboard"}, "one number must be even, one odd"),
        ({"dictionary": "DICT_9X9"}, "dictionary is 'DICT_9X9'"),
        ({"columns": 14, "rows": 9}, "has 50 markers, the board needs 63"),
    ],
)
def test_a_board_that_cannot_work_is_refused(options, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        Board(**options)
