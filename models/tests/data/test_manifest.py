from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from kinevla.manifest import ManifestError, read_manifest, verify_manifest, write_atomically, write_manifest


@dataclass(frozen=True)
class Config:
    out: Path
    sizes: tuple[int, ...]


@pytest.fixture
def result(tmp_path: Path) -> Path:
    write_atomically(tmp_path / "a.bin", b"first")
    write_atomically(tmp_path / "deep/b.bin", b"second")
    write_manifest(
        tmp_path,
        kind="thing",
        files=["a.bin", "deep/b.bin"],
        config=Config(Path("/x"), (1, 2)),
        summary={"mean": np.float64(0.5), "rows": np.arange(3)},
    )
    return tmp_path


def test_untouched_result_is_accepted_and_tells_its_making(result):
    manifest = verify_manifest(result, kind="thing")
    assert manifest["config"] == {"out": "/x", "sizes": [1, 2]}
    assert manifest["summary"] == {"mean": 0.5, "rows": [0, 1, 2]}
    assert len(manifest["code"]["source_sha256"]) == 64


def test_file_with_other_bytes_of_the_same_length_is_named(result):
    (result / "deep/b.bin").write_bytes(b"SECOND")
    with pytest.raises(ManifestError, match=r"deep/b\.bin differs"):
        verify_manifest(result)
    verify_manifest(result, hashes=False)


def test_file_of_another_length_is_named(result):
    (result / "a.bin").write_bytes(b"firs")
    with pytest.raises(ManifestError, match=r"a\.bin has 4 bytes, .* says 5"):
        verify_manifest(result, hashes=False)


def test_missing_file_is_named(result):
    (result / "a.bin").unlink()
    with pytest.raises(ManifestError, match=r"a\.bin is listed .* but missing"):
        verify_manifest(result)


def test_result_of_another_kind_is_refused(result):
    with pytest.raises(ManifestError, match="'thing', expected 'policy'"):
        verify_manifest(result, kind="policy")


@pytest.mark.parametrize("content", ["{", "[]", '{"format": "other"}'])
def test_unreadable_manifest_is_refused(result, content):
    (result / "manifest.json").write_text(content)
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        read_manifest(result)


def test_manifest_for_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="ghost"):
        write_manifest(tmp_path, kind="thing", files=["ghost"])


def test_interrupted_write_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]


def test_value_json_cannot_hold_is_refused(tmp_path):
    write_atomically(tmp_path / "a", b"x")
    with pytest.raises(ValueError):
        write_manifest(tmp_path, kind="thing", files=["a"], summary={"bad": float("nan")})
    assert not (tmp_path / "manifest.json").exists()
