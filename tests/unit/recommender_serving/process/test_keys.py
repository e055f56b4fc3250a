"""The key of the users' names in the log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from recommender_serving.process import keys


def test_a_key_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef\n")
    assert keys.read_user_key(tmp_path / "key") == "0123456789abcdef"
    assert keys.read_user_key(None) is None


@pytest.mark.parametrize("text", [None, "", "short", b"\xff" * 20])
def test_without_a_good_key_a_version_serves_with_a_warning(
    text: str | bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if text is not None:
        (tmp_path / "key").write_bytes(text.encode() if isinstance(text, str) else text)
    with caplog.at_level(logging.WARNING):
        assert keys.read_user_key(tmp_path / "key") is None
    assert "this process alone" in caplog.text
