"""The command that proves that an erasure has ended in the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from recommender_collector.__main__ import main
from recommender_collector.domain.events import Erasure
from recommender_collector.domain.pseudonyms import Pseudonyms
from tests.unit.recommender_collector.collector_samples import MAPPING
from tests.unit.recommender_collector.lake_desk import CLICK, Desk, history

KEY = "k" * 16


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "shop")


def _find(
    desk: Desk, capsys: pytest.CaptureFixture[str], user: str = "ada", **settings: Any
) -> tuple[int, dict[str, Any]]:
    declaration = desk.root.parent / "collector.json"
    declaration.write_bytes(orjson.dumps({"models": {"shop": {"mapping": MAPPING, **settings}}}))
    files = str(desk.root.parent)
    code = main(["find-user", "--declaration", str(declaration), "--files", files, "shop", user])
    out = capsys.readouterr().out
    return code, orjson.loads(out) if out else {}


async def test_each_place_that_has_the_user_is_named_until_none_has(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    await history(desk, 2)
    desk.log.put("shop", b'[9,"e","leap","ada",[]]')
    rows = {
        f"{number:012}/{name}.jsonl": 1 for number in (1, 2) for name in ("events", "interactions")
    }
    code, found = _find(desk, capsys)
    assert code == 1
    assert found == {"gone": False, "rows": rows, "erasing": False, "erased": None, "lakes": {}}
    desk.put(Erasure("ada"))
    writer = desk.writer(events=1)
    records = desk.log.records["shop"]
    desk.log.records["shop"] = records[:4]  # without the second erasure
    for _ in range(2):
        await writer.step()
    await writer.flush()
    assert _find(desk, capsys)[1]["rows"] == {"000000000004/quarantine.jsonl": 1}
    desk.log.records["shop"] = records
    await writer.step()
    (desk.root / "_lakes" / "l.json").write_bytes(
        orjson.dumps({"through": 2, "erasures": "3000-0", "at": "2026-12-01T00:00:00Z"})
    )
    while writer._erasing.open:
        await writer.step()
    code, found = _find(desk, capsys)
    assert (code, found["rows"], found["erasing"]) == (1, {}, False)
    assert (found["erased"], found["lakes"]) == ("5000-0", {"l.json": False})
    (desk.root / "_lakes" / "l.json").write_bytes(
        orjson.dumps({"through": 2, "erasures": "5000-0", "at": "2026-12-02T00:00:00Z"})
    )
    assert _find(desk, capsys) == (0, {**found, "gone": True, "lakes": {"l.json": True}})
    assert _find(desk, capsys, "eve")[0] == 1


async def test_an_erasure_under_way_is_not_gone(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await history(desk, 1)
    monkeypatch.setattr("recommender_collector.writers.lake_writer.TEND_SECONDS", 0.0)
    writer = desk.writer(events=1)
    await writer.step()
    code, found = _find(desk, capsys)
    assert (code, found["erasing"], found["erased"]) == (1, True, "2000-0")


async def test_a_hashed_user_is_found_by_the_original_id(
    desk: Desk,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    desk.put(CLICK._replace(user=Pseudonyms(KEY.encode())("ada")))
    await desk.writer(events=1).step()
    assert _find(desk, capsys, hashUsers=True)[0] == 2, "without the key"
    (tmp_path / "key").write_text(KEY)
    monkeypatch.setenv("RECOMMENDER_USER_KEY_FILE", str(tmp_path / "key"))
    code, found = _find(desk, capsys, hashUsers=True)
    assert (code, len(found["rows"])) == (1, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--files", "{root}", "other", "ada"], "give one of shop"),
        (["--files", "{root}/none", "shop", "ada"], "is not a folder"),
        (["--files", "{root}", "shop", ""], "user"),
    ],
)
def test_what_cannot_be_searched_is_said(
    desk: Desk, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    desk.writer()
    _find(desk, capsys)
    declaration = str(desk.root.parent / "collector.json")
    given = [each.replace("{root}", str(desk.root.parent)) for each in arguments]
    assert main(["find-user", "--declaration", declaration, *given]) == 2
    assert message in capsys.readouterr().err
