"""Files that declare more than they hold, or lead elsewhere: one clear refusal, before memory is taken."""

from __future__ import annotations

import re
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from bag_maker import write_bag
from test_handing_on import write_libero

from kinevla.data import packing
from kinevla.data.bags import open_bag, read_info
from kinevla.data.images import decode_jpeg, encode_jpeg
from kinevla.data.libero_import import LiberoConfig, import_libero, read_libero
from kinevla.data.packing import DataError, check_npz, read_npz
from kinevla.observation.image_bounds import ImageError, image_size
from kinevla.recipes.recipe import RecipeError, read_recipe


@pytest.fixture
def little_memory() -> Iterator[None]:
    """The test fails when it takes more than 100 MB at any time."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6, f"{peak / 1e6:.0f} MB"


def bomb(path: Path, size: int) -> None:
    """An npz of a thousandth of the size that it unpacks to."""
    block = bytes(1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as item:
        np.lib.format.write_array_header_1_0(item, {"descr": "|u1", "fortran_order": False, "shape": (size,)})
        for _ in range(size // len(block)):
            item.write(block)


def test_an_npz_that_unpacks_to_more_than_its_bound_is_refused(tmp_path, monkeypatch, little_memory):
    bomb(tmp_path / "a.npz", 400 << 20)
    assert (tmp_path / "a.npz").stat().st_size < 1e6
    assert packing.MAX_NPZ_BYTES == 1 << 30
    monkeypatch.setattr(packing, "MAX_NPZ_BYTES", 300 << 20)
    with pytest.raises(DataError, match=r"a\.npz unpacked has 4194\d+ bytes, the bound is 314572800"):
        read_npz(tmp_path / "a.npz", ())


@pytest.mark.parametrize(("kind", "shape"), [("<f8", (10**12,)), ("|V0", (10**15,)), ("<U100000000", (90,))])
def test_an_array_that_declares_more_than_its_archive_holds_is_refused(tmp_path, little_memory, kind, shape):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, archive.open("a.npy", "w") as item:
        np.lib.format.write_array_header_1_0(item, {"descr": kind, "fortran_order": False, "shape": shape})
        item.write(bytes(64))
    with pytest.raises(DataError, match=r"a\.npz: a\.npy declares \d+ bytes and has \d+"):
        read_npz(tmp_path / "a.npz", ())


def test_an_npz_of_thousands_of_arrays_and_a_plain_npy_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for number in range(1500):
            archive.writestr(f"{number}.npy", b"")
    with pytest.raises(DataError, match="holds 1500 arrays, the bound is 1000"):
        read_npz(tmp_path / "a.npz", ())
    np.save(tmp_path / "b.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"b\.npy is damaged"):
        read_npz(tmp_path / "b.npy", ())


def test_what_this_project_writes_is_not_refused(tmp_path):
    np.savez(
        tmp_path / "a.npz", text=np.array(""), number=np.int64(3), many=np.zeros((3, 0)), image=np.ones(9)
    )
    check_npz(tmp_path / "a.npz")
    names = ("text", "number", "many", "image")
    assert set(read_npz(tmp_path / "a.npz", names)) == set(names)
    assert set(read_npz(tmp_path / "a.npz", ("text", "image"), without=("image",))) == {"text"}


def png(width: int, height: int) -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII5B", 13, b"IHDR", width, height, 8, 2, 0, 0, 0) + bytes(40)
    )


def test_an_image_of_a_data_set_is_bounded_by_its_header():
    with pytest.raises(ImageError, match="image has 524288 x 524288 pixels, a side may have at most 8192"):
        decode_jpeg(png(2**19, 2**19))
    jpeg = bytearray(encode_jpeg(np.zeros((16, 24, 3), np.uint8)))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(ImageError, match="60000 x 60000"):
        decode_jpeg(bytes(jpeg))


@pytest.mark.parametrize(
    "options", [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]]
)
def test_the_header_of_every_kind_of_jpeg_is_read(options):
    picture = np.random.default_rng(0).integers(0, 255, (34, 56, 3), dtype=np.uint8)
    content = bytes(cv2.imencode(".jpg", picture, options)[1])
    assert image_size(content) == (56, 34)
    assert decode_jpeg(content).shape == (34, 56, 3)
    for cut in range(0, 200):
        with pytest.raises(ImageError, match=rf"{cut} bytes"):
            decode_jpeg(content[:cut])


def spoil(change: Callable[[h5py.Group, Path], None], path: Path) -> Path:
    """A LIBERO file with one demonstration changed."""
    write_libero(path)
    with h5py.File(path, "r+") as file:
        change(file["data/demo_0"], path)
    return path


def external_link(demo: h5py.Group, path: Path) -> None:
    write_libero(path.with_name("other.hdf5"))
    del demo["actions"]
    demo["actions"] = h5py.ExternalLink("other.hdf5", "/data/demo_0/actions")


def soft_link(demo: h5py.Group, path: Path) -> None:
    demo["obs/kept"] = demo["obs/ee_states"]
    del demo["obs/ee_states"]
    demo["obs/ee_states"] = h5py.SoftLink("kept")


def external_storage(demo: h5py.Group, path: Path) -> None:
    path.with_name("secret").write_bytes(bytes(100_000))
    shape = demo["actions"].shape
    del demo["actions"]
    demo.create_dataset("actions", shape, "f8", external=[(str(path.with_name("secret")), 0, 100_000)])


def virtual(demo: h5py.Group, path: Path) -> None:
    write_libero(path.with_name("other.hdf5"))
    shape = demo["actions"].shape
    layout = h5py.VirtualLayout(shape, "f8")
    layout[...] = h5py.VirtualSource(str(path.with_name("other.hdf5")), "data/demo_0/actions", shape)
    del demo["actions"]
    demo.create_virtual_dataset("actions", layout)


def huge(demo: h5py.Group, path: Path) -> None:
    del demo["actions"]
    demo.create_dataset("actions", (10**12, 7), "f8", chunks=(1000, 7))


def huge_pictures(demo: h5py.Group, path: Path) -> None:
    count = len(demo["actions"])
    del demo["obs/agentview_rgb"]
    demo.create_dataset("obs/agentview_rgb", (count, 60_000, 60_000, 3), "u1", chunks=(1, 100, 100, 3))


def huge_chunk(demo: h5py.Group, path: Path) -> None:
    count = len(demo["actions"])
    del demo["obs/agentview_rgb"]
    demo.create_dataset(
        "obs/agentview_rgb",
        (count, 128, 128, 3),
        "u1",
        chunks=(10_000, 128, 128, 3),
        maxshape=(None, 128, 128, 3),
    )


def texts(demo: h5py.Group, path: Path) -> None:
    del demo["actions"]
    demo["actions"] = ["a"] * 7


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (external_link, "actions is a link to elsewhere"),
        (soft_link, "obs/ee_states is a link to elsewhere"),
        (external_storage, "actions takes its values from another file"),
        (virtual, "actions takes its values from another file"),
        (huge, "actions has 56000000000000 bytes, the bound is 2147483648"),
        (huge_pictures, "obs/agentview_rgb has .* bytes, the bound is"),
        (huge_chunk, "a chunk of obs/agentview_rgb has .* bytes, the bound is 268435456"),
        (texts, "actions holds object: no appropriate function for conversion to numbers"),
    ],
)
def test_a_libero_file_that_leads_elsewhere_or_declares_too_much_is_refused(
    tmp_path, little_memory, change, told
):
    path = spoil(change, tmp_path / "demo.hdf5")
    report = import_libero((path,), tmp_path / "out", LiberoConfig(task=1))
    assert len(report.errors) == 1, report.errors
    assert re.search(told, report.errors[0])


def test_a_libero_file_whose_demonstrations_lie_elsewhere_is_refused(tmp_path):
    write_libero(tmp_path / "other.hdf5")
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["data"] = h5py.ExternalLink("other.hdf5", "/data")
    with pytest.raises(DataError, match="data is a link to elsewhere"):
        list(read_libero(tmp_path / "a.hdf5", LiberoConfig(task=1)))


def test_a_recording_whose_chunk_declares_too_much_is_refused(tmp_path):
    write_bag(tmp_path / "bag")
    with next((tmp_path / "bag").glob("*.mcap")).open("r+b") as stream:
        stream.seek(8)
        stream.write(struct.pack("<BQQQQ", 6, 100, 0, 0, 1 << 40))
    told = "a chunk unpacked has 1099511627776 bytes, the bound is 1073741824"
    with pytest.raises(DataError, match=told), open_bag(tmp_path / "bag"):
        pass


def test_a_huge_description_of_a_recording_is_refused_before_it_is_read(tmp_path, little_memory):
    write_bag(tmp_path / "bag")
    with (tmp_path / "bag" / "episode.json").open("w") as stream:
        stream.truncate(5 << 30)
    with pytest.raises(DataError, match="has 5368709120 bytes, the bound is 4194304"):
        read_info(tmp_path / "bag")
    (tmp_path / "bag" / "episode.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="nested too deep"):
        read_info(tmp_path / "bag")
    with (tmp_path / "bag" / "metadata.yaml").open("w") as stream:
        stream.truncate(5 << 30)
    with (
        pytest.raises(DataError, match="has 5368709120 bytes, the bound is 4194304"),
        open_bag(tmp_path / "bag"),
    ):
        pass


def test_a_recipe_nested_without_end_is_refused(tmp_path):
    (tmp_path / "a.toml").write_text("a = " + "[" * 100_000)
    with pytest.raises(RecipeError, match=r"a\.toml is no TOML"):
        read_recipe(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_text("#" * (2 << 20))
    with pytest.raises(RecipeError, match="has 2097152 bytes, the bound is 1048576"):
        read_recipe(tmp_path / "a.toml")
