"""The control token: where it may come from, and what guessing costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from kine_console.access import MAX_WRONG_TOKENS, WAIT_S, Access, TokenError, read_token

TOKEN = "the-right-token-of-today"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


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


@pytest.mark.parametrize("token", ["", None, 7, TOKEN + "x", TOKEN[:-1], "ü" * 20, "x" * 100_000])
def test_only_the_right_token_is_allowed(token):
    session = Access(TOKEN).session("10.0.0.1")
    assert session.refusal(token) != ""
    assert session.refusal(TOKEN) == ""
    assert session.refusal(token) != ""


def test_guessing_is_slowed_down_and_ends_with_the_wait():
    clock = Clock()
    access = Access(TOKEN, clock)
    for _ in range(MAX_WRONG_TOKENS):
        assert access.session("10.0.0.1").refusal("wrong") == "the control token is wrong"
    assert "too many wrong tokens" in access.session("10.0.0.1").refusal(TOKEN), (
        "a new connection does not help"
    )
    assert access.session("10.0.0.2").refusal(TOKEN) == "", "other addresses are not concerned"
    clock.now_s += WAIT_S + 1
    assert access.session("10.0.0.1").refusal(TOKEN) == ""


def test_an_operator_in_control_is_not_locked_out_by_wrong_tokens_from_the_same_address():
    access = Access(TOKEN)
    operator, guesser = access.session("127.0.0.1"), access.session("127.0.0.1")
    assert operator.refusal(TOKEN) == ""
    for _ in range(3 * MAX_WRONG_TOKENS):
        assert guesser.refusal("guess") != ""
    assert operator.refusal(TOKEN) == ""


def test_looking_without_a_token_counts_as_no_guess():
    access = Access(TOKEN)
    for _ in range(100):
        assert "view only" in access.session("10.0.0.1").refusal("")
    assert access.wrong_tokens == 0


def test_what_is_remembered_of_guessers_is_bounded():
    access = Access(TOKEN)
    for number in range(3000):
        access.session(f"10.1.{number // 256}.{number % 256}").refusal("guess")
    assert len(access._wrong) <= 1000
    assert access.wrong_tokens == 3000
