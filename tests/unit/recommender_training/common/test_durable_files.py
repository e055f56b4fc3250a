"""Files that others read are replaced whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recommender_training.common.durable_files import replace_bytes


def test_a_writer_that_is_killed_leaves_the_old_content_and_the_next_one_writes_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "profile.json"
    path.write_bytes(b"old")

    def killed(_file: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            replace_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    replace_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
