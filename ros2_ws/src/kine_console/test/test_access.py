"""The control token: where it may come from, and what guessing costs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kine_console.access import Access, TokenError, read_token

TOKEN = "the-right-token-of-today"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_missing_token_file_is_made_with_a_token_that_only_the_owner_can_read(tmp_path: Path):
    path = tmp_path / "folder" / "token"
    token = read_token(path)
    assert len(token) >= 16
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_token(path) == token
    assert read_token(tmp_path / "other") != token


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        ("", 0o600, "holds 0 characters, a token has 16 to 256"),
        ("short\n", 0o600, "holds 5 characters"),
        ("x" * 300, 0o600, "holds 300 characters"),
        ("two lines of\nmore words", 0o600, "one line without blanks"),
        ("ünlesbar-ünlesbar-ünlesbar", 0o600, "plain letters"),
        (TOKEN, 0o644, "open to others (mode 644): chmod 600"),
        (TOKEN, 0o620, "open to others (mode 620)"),
    ],
    ids=["empty", "short", "long", "two lines", "not ASCII", "world readable", "group writable"],
)
def test_a_bad_token_file_is_refused_with_its_name_and_the_reason(tmp_path, text, mode, expected):
    path = write(tmp_path / "token", text, mode)
    with pytest.raises(TokenError) as error:
        read_token(path)
    assert str(path) in str(error.value)
    assert expected in str(error.value)


def test_a_folder_in_the_place_of_the_token_file_is_refused(tmp_path: Path):
    with pytest.raises(TokenError, match="is not a file"):
        read_token(tmp_path)


def test_a_token_file_that_cannot_be_made_is_refused_with_the_reason(tmp_path: Path):
    write(tmp_path / "file", "")
    with pytest.raises(TokenError, match=r"cannot be used: File exists: .*/file"):
        read_token(tmp_path / "file" / "token")


def test_a_folder_that_others_may_write_into_is_refused_as_the_token_could_be_replaced(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    path = write(tmp_path / "folder" / "token", TOKEN)
    (tmp_path / "folder").chmod(0o777)
    with pytest.raises(TokenError, match=r"others may write into its folder \(mode 777\): chmod go-w"):
        read_token(path)
    (tmp_path / "folder").chmod(0o1777)  # as /tmp: only the owner can replace the file
    assert read_token(path) == TOKEN


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_token_file_of_another_user_is_refused(tmp_path: Path):
    path = write(tmp_path / "token", TOKEN)
    os.chown(path, 4711, 4711)
    with pytest.raises(TokenError, match=r"belongs to user 4711, not to you"):
        read_token(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(TokenError, match=r"belongs to user 4711, not to you"):
        read_token(link)


def test_a_huge_token_file_or_a_pipe_is_refused_before_it_is_read(tmp_path: Path):
    path = write(tmp_path / "token", "")
    os.truncate(path, 3 << 30)
    with pytest.raises(TokenError, match="has 3221225472 bytes, at most 1024"):
        read_token(path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(TokenError, match="is not a file"):
        read_token(tmp_path / "pipe")


@pytest.mark.parametrize("token", ["", None, 7, TOKEN + "x", TOKEN[:-1], "ü" * 20, "x" * 100_000])
def test_only_the_right_token_is_allowed(token):
    session = Access(TOKEN).session()
    assert session.refusal(token) != ""
    assert session.refusal(TOKEN) == ""
    assert session.refusal(token) != ""


def test_the_right_token_is_let_in_after_any_number_of_wrong_ones():
    access = Access(TOKEN)
    guesser = access.session()
    for _ in range(200):
        assert guesser.refusal("guess") == "the control token is wrong"
    assert access.session().refusal(TOKEN) == ""
    assert guesser.refusal(TOKEN) == ""
    assert access.wrong_tokens == 200


def test_looking_without_a_token_counts_as_no_guess():
    access = Access(TOKEN)
    for _ in range(100):
        assert "view only" in access.session().refusal("")
    assert access.wrong_tokens == 0
