from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from kinevla.manifest import (
    ManifestError,
    describe_input,
    file_sha256,
    read_manifest,
    verify_manifest,
    write_atomically,
    write_manifest,
)
from kinevla.provenance import chain, require_input


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


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"format": "other"}', "[" * 200_000], ids=["cut", "list", "other", "deep"]
)
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


def test_inputs_are_named_by_the_hash_of_their_manifest_and_in_turn_by_theirs(result, tmp_path):
    made = tmp_path / "made"
    write_atomically(made / "c", b"third")
    write_manifest(made, kind="other", files=["c"], inputs={"data": result})
    last = tmp_path / "last"
    write_atomically(last / "d", b"fourth")
    statistics = {"kind": "statistics", "sha256": "ab" * 32}
    manifest = write_manifest(
        last, kind="last", files=["d"], inputs={"tokenizer": made, "statistics": statistics}
    )
    chained = {"/".join(roles): record for roles, record in chain(manifest)}
    assert set(chained) == {"tokenizer", "tokenizer/data", "statistics"}
    assert chained["tokenizer/data"]["manifest_sha256"] == file_sha256(result / "manifest.json")
    assert chained["tokenizer/data"]["kind"] == "thing"
    assert chained["tokenizer"]["source_sha256"] == manifest["code"]["source_sha256"]
    assert chained["statistics"] == statistics
    assert require_input(manifest, result) == ("tokenizer", "data")
    assert verify_manifest(last, kind="last") == manifest


def test_a_result_that_is_none_of_the_inputs_is_refused(result, tmp_path):
    other = tmp_path / "other"
    write_atomically(other / "c", b"third")
    manifest = write_manifest(other, kind="other", files=["c"], inputs={"data": result})
    require_input(manifest, result)
    write_manifest(result, kind="thing", files=["a.bin"], config={"changed": True})
    with pytest.raises(ManifestError, match=r"is none of the inputs: data [0-9a-f]{12}"):
        require_input(manifest, result)
    with pytest.raises(ManifestError, match=r"holds no manifest\.json"):
        require_input(manifest, tmp_path / "deep")


def test_a_directory_of_other_origin_is_named_by_the_hashes_of_its_files(tmp_path):
    public = tmp_path / "public"
    write_atomically(public / "weights", b"w")
    record = describe_input(public)
    assert record["kind"] == "foreign"
    assert record["files"] == {"weights": file_sha256(public / "weights")}


def test_an_input_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="ghost does not exist"):
        describe_input(tmp_path / "ghost")


def test_a_configuration_changed_afterwards_is_refused(result):
    manifest = json.loads((result / "manifest.json").read_text())
    manifest["config"]["sizes"] = [1, 3]
    (result / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ManifestError, match="config was changed"):
        read_manifest(result)


def test_a_manifest_written_before_inputs_were_recorded_is_read(result):
    manifest = json.loads((result / "manifest.json").read_text())
    del manifest["inputs"], manifest["config_sha256"]
    (result / "manifest.json").write_text(json.dumps(manifest))
    assert list(chain(verify_manifest(result))) == []


@pytest.mark.parametrize("name", ["../outside", "/etc/hosts"])
def test_files_outside_the_result_are_refused(result, name):
    manifest = json.loads((result / "manifest.json").read_text())
    manifest["files"][name] = {"bytes": 1, "sha256": "0" * 64}
    (result / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ManifestError, match="lies outside the result"):
        verify_manifest(result)


@pytest.mark.parametrize("files", [None, [], {"a.bin": 5}, {"a.bin": {"bytes": 5}}])
def test_a_damaged_list_of_files_is_refused(result, files):
    manifest = json.loads((result / "manifest.json").read_text())
    (result / "manifest.json").write_text(json.dumps(manifest | {"files": files}))
    with pytest.raises(ManifestError, match=r"lists no files|entry of a\.bin"):
        read_manifest(result)


def test_a_path_that_is_no_directory_is_named(result):
    with pytest.raises(ManifestError, match=r"a\.bin is a file"):
        read_manifest(result / "a.bin")
    with pytest.raises(ManifestError, match="nowhere does not exist"):
        read_manifest(result / "nowhere")


def edit(result: Path, change) -> None:
    manifest = json.loads((result / "manifest.json").read_text())
    change(manifest["files"])
    (result / "manifest.json").write_text(json.dumps(manifest))


def test_a_manifest_that_lists_nothing_vouches_for_nothing(result):
    edit(result, lambda files: files.clear())
    with pytest.raises(ManifestError, match="lists no files"):
        verify_manifest(result)


def test_a_file_that_is_going_to_be_loaded_must_be_listed(result):
    write_atomically(result / "smuggled.bin", b"third")
    with pytest.raises(ManifestError, match=r"smuggled\.bin would be loaded, but .* does not list it"):
        verify_manifest(result, needs=("a.bin", "smuggled.bin"))


@pytest.mark.parametrize(
    "name", ["../a.bin", "/etc/passwd", "deep/../a.bin", "./a.bin", "deep//b.bin", "", "a\0"]
)
def test_a_name_that_leads_out_of_the_result_or_is_not_plain_is_refused(result, name):
    edit(result, lambda files: files.__setitem__(name, {"bytes": 5, "sha256": "0" * 64}))
    with pytest.raises(ManifestError, match="lies outside the result"):
        read_manifest(result)


def test_a_link_out_of_the_result_is_refused_and_one_inside_is_not(result, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.bin"
    elsewhere.write_bytes(b"first")
    (result / "a.bin").unlink()
    (result / "a.bin").symlink_to(elsewhere)
    with pytest.raises(ManifestError, match=r"a\.bin is a link out of the result, to .*elsewhere"):
        verify_manifest(result)
    (result / "a.bin").unlink()
    (result / "deep/kept").write_bytes(b"first")
    (result / "a.bin").symlink_to("deep/kept")
    verify_manifest(result)


def test_a_manifest_larger_than_its_bound_is_refused_before_it_is_read(result):
    with (result / "manifest.json").open("r+b") as stream:
        stream.truncate(5 << 30)
    with pytest.raises(ManifestError, match=r"has 5368709120 bytes, the bound is 67108864"):
        read_manifest(result)


def test_the_folder_of_a_training_is_answered_with_the_checkpoint_inside(tmp_path):
    inside = tmp_path / "policy" / "best"
    inside.mkdir(parents=True)
    (inside / "manifest.json").write_text("{}")
    with pytest.raises(ManifestError, match=r"policy/best meant\?$"):
        read_manifest(tmp_path / "policy")
