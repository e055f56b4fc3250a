"""Keys come from a file that may change; a bad one gives none, and no message has its content."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from recommender_runtime.key_file import FRESH_SECONDS, KeyFile

KEY = "a-key-of-some-length"


def test_a_rotated_key_is_used_soon_and_the_former_one_may_stay(tmp_path: Path) -> None:
    file, now = tmp_path / "key", 0.0
    file.write_text(f"{KEY}\n")
    keys = KeyFile(file, lambda: now)
    assert keys.keys() == (KEY.encode(),)
    file.write_text(f"the-newer-of-the-keys\n{KEY}\n")
    assert keys.keys() == (KEY.encode(),)
    now += FRESH_SECONDS
    assert keys.keys() == (b"the-newer-of-the-keys", KEY.encode())


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b"", "no key"), (b"short", "fewer than 16"),
     (b"\xff" * 20, "no key"), (b"x" * 5000, "no key")],
)  # fmt: skip
def test_a_file_without_a_key_gives_none_and_warns_once(
    content: bytes | None, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, now = tmp_path / "key", 0.0
    if content is not None:
        file.write_bytes(content)
    keys = KeyFile(file, lambda: now)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert keys.keys() == ()
            now += FRESH_SECONDS
    (record,) = caplog.records
    assert said in record.getMessage()
    assert "short" not in record.getMessage()
