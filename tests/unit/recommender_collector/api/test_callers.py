"""API keys say whose events they are, of which model, and can be revoked."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from recommender_collector.api.callers import MOST, SERVING, Caller, Callers
from recommender_collector.api.request_bodies import Refused
from recommender_runtime.key_file import FRESH_SECONDS, KeyFile
from tests.unit.recommender_collector.collector_samples import rules

KEY, OTHER = "the-key-of-the-web-shop", "the-newer-key-of-the-shop"


class Desk:
    def __init__(self, folder: Path | None, serving: Path | None = None) -> None:
        self.now = 0.0
        models = {"shop": rules(), "news": rules()}
        file = None if serving is None else KeyFile(serving, lambda: self.now)
        self.callers = Callers(models, folder, file, lambda: self.now)

    def of(self, key: str | None) -> Caller:
        self.now += FRESH_SECONDS
        return self.callers.caller(None if key is None else f"Bearer {key}".encode())

    def sources(self, key: str | None) -> dict[str, str | None]:
        return {name: of.source for name, of in self.of(key).models.items()}

    def refuses(self, key: str | None) -> bool:
        try:
            self.of(key)
        except Refused as refused:
            return refused.status == 401
        return False


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "shop.web").write_text(KEY)
    return keys


def test_a_key_is_of_a_model_and_a_source(folder: Path) -> None:
    desk = Desk(folder)
    (folder / "news.app").write_text(OTHER)
    assert desk.sources(KEY) == {"shop": "web"}
    assert desk.sources(OTHER) == {"news": "app"}


def test_nobody_without_a_known_key_is_admitted_where_keys_are_asked_for(folder: Path) -> None:
    desk = Desk(folder)
    assert [desk.refuses(key) for key in (KEY, OTHER, KEY[:-1], "", None)] == [
        False, True, True, True, True,
    ]  # fmt: skip
    with pytest.raises(Refused):
        desk.callers.caller(f"Basic {KEY}".encode())


def test_without_keys_everybody_is_admitted_and_nobody_known(tmp_path: Path) -> None:
    desk = Desk(None)
    for key in (None, KEY):
        assert desk.sources(key) == {"shop": None, "news": None}


@pytest.mark.parametrize("asks", [True, False])
def test_transformers_are_a_source_of_all_models(asks: bool, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(OTHER)
    desk = Desk(folder if asks else None, tmp_path / "key")
    assert desk.sources(OTHER) == {"shop": SERVING, "news": SERVING}


def test_a_removed_key_is_revoked_and_a_rotated_one_may_overlap(folder: Path) -> None:
    desk = Desk(folder)
    for content, admitted in ((KEY, (True, False)), (f"{OTHER}\n{KEY}", (True, True)),
                              (OTHER, (False, True)), (None, (False, False))):  # fmt: skip
        if content is None:
            (folder / "shop.web").unlink()
        else:
            (folder / "shop.web").write_text(content)
        assert tuple(not desk.refuses(key) for key in (KEY, OTHER)) == admitted


@pytest.mark.parametrize(
    ("name", "content"),
    [("shop", OTHER), ("other.web", OTHER), ("shop.Web", OTHER), ("shop.serving", OTHER),
     (".web", OTHER), ("shop.app", "short"), ("shop.app", "")],
)  # fmt: skip
def test_a_wrong_entry_is_not_used_and_named_once(
    name: str, content: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / name).write_text(content)
    desk = Desk(folder)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert desk.refuses(OTHER)
            assert desk.sources(KEY) == {"shop": "web"}
    named = [each.getMessage() for each in caplog.records]
    assert len(named) == (0 if name.startswith(".") else 1)
    assert all(name in text and OTHER not in text for text in named)


def test_the_number_of_keys_is_bounded(folder: Path) -> None:
    for number in range(MOST):
        (folder / f"shop.a{number:03}").write_text(f"the-key-with-number-{number}")
    desk = Desk(folder)
    assert desk.sources("the-key-with-number-0") == {"shop": "a000"}
    assert desk.refuses(KEY), "the last one by name"


def test_keys_that_cannot_be_read_admit_nobody(tmp_path: Path) -> None:
    assert Desk(tmp_path / "nowhere").refuses(KEY)
