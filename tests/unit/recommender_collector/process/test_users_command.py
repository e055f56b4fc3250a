"""The command that makes the users of the store."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import orjson
import pytest

from recommender_collector.__main__ import DONE, FAILED, WRONG_USE, main
from tests.unit.recommender_collector.collector_samples import MAPPING

LONG = "a-password-that-is-long"


def _run(folder: Path, output: str = "users.acl") -> int:
    models = {name: {"mapping": MAPPING} for name in ("news", "shop")}
    (folder / "c.json").write_bytes(orjson.dumps({"models": models}))
    return main([
        "users", "--declaration", str(folder / "c.json"), "--passwords", str(folder),
        "--output", str(folder / output),
    ])  # fmt: skip


def _give(folder: Path, **passwords: str) -> None:
    for name, text in {"collector": LONG, "writer": LONG, **passwords}.items():
        (folder / name.replace("_", "-")).write_text(text)


def _users(folder: Path) -> dict[str, list[str]]:
    lines = (folder / "users.acl").read_text().splitlines()
    return {words[1]: words[2:] for words in map(str.split, lines)}


def test_nobody_is_the_default_user_and_no_password_is_in_the_file(tmp_path: Path) -> None:
    _give(tmp_path, probe=LONG, reader_shop=f"{LONG}-1\n{LONG}-2\n", reader_news=LONG)
    assert _run(tmp_path) == DONE
    found = _users(tmp_path)
    assert list(found) == ["default", "collector", "writer", "probe", "reader-news", "reader-shop"]
    assert "on" not in found["default"]
    assert LONG not in (tmp_path / "users.acl").read_text()
    hashes = [f"#{hashlib.sha256(f'{LONG}-{n}'.encode()).hexdigest()}" for n in (1, 2)]
    assert [word for word in found["reader-shop"] if word.startswith("#")] == hashes
    assert stat.S_IMODE((tmp_path / "users.acl").stat().st_mode) == 0o600


def test_a_model_without_a_password_has_no_reader(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _give(tmp_path, reader_shop=LONG)
    assert _run(tmp_path) == DONE
    assert set(_users(tmp_path)) == {"default", "collector", "writer", "reader-shop"}
    assert "no password reader-news" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("passwords", "said"),
    [({"writer": ""}, "no password writer"), ({"reader_shop": "short"}, "5 characters: give 16")],
)
def test_a_password_that_is_missing_or_short_is_named(
    passwords: dict[str, str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _give(tmp_path, **passwords)
    assert _run(tmp_path) == WRONG_USE
    assert said in capsys.readouterr().err
    assert not (tmp_path / "users.acl").exists()


def test_a_file_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    _give(tmp_path)
    assert _run(tmp_path, "none/users.acl") == FAILED
