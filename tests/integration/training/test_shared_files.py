"""One file is interactions, and users or items: the latest known value of each column counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from tests.mapped_files import EXTENSIONS, INTERACTIONS, START, check, declare, reasons, write

ITEMS: dict[str, Any] = {
    "files": "events/*",
    "id": "item",
    "features": [{"name": "price", "kind": "Numeric"}, {"name": "brand", "kind": "Categorical"}],
}
USERS: dict[str, Any] = {
    "files": "events/*", "id": "user", "features": [{"name": "tier", "kind": "Categorical"}],
}  # fmt: skip


def row(item: int, at: int, price: Any, brand: Any, tier: str = "a") -> dict[str, Any]:
    return {"user": at % 3, "item": item, "at": START + at, "rating": 5, "price": price,
            "brand": brand, "tier": tier}  # fmt: skip


@pytest.mark.parametrize("kind", list(EXTENSIONS))
def test_the_latest_known_value_of_an_event_is_that_of_its_item(
    folders: tuple[Path, Path], kind: Format
) -> None:
    source, path = folders
    end = EXTENSIONS[kind]
    # the file that is first by its name has the later events
    write(source / f"events/a.{end}", [row(7, 50, 3.5, "x"), row(7, 60, None, "y")])
    write(source / f"events/b.{end}", [row(7, 10, 1.0, "z"), row(8, 20, None, "w", "b")])
    mapping = declare(kind, users=USERS, items=ITEMS)
    for _ in range(2):
        result = check(source, path, mapping, kind, share=0.0)
    assert (result.rows, result.new_rows) == (4, 0)
    found = pl.scan_delta(str(path / "items")).sort("item_id").collect()
    assert found.select("item_id", "price", "brand").rows() == [(7, 3.5, "y"), (8, None, "w")]
    users = pl.scan_delta(str(path / "users")).sort("user_id").collect()
    assert users.select("user_id", "tier").rows() == [(0, "a"), (1, "a"), (2, "a")]


def test_files_of_two_tables_by_different_patterns_are_refused(
    folders: tuple[Path, Path],
) -> None:
    source, path = folders
    write(source / "events/a.csv", [row(7, 50, 3.5, "x")])
    with pytest.raises(InputError) as caught:
        check(source, path, declare(items=ITEMS | {"files": "events/*.csv"}))
    assert (caught.value.reason, "belongs to both items" in caught.value.message) == (
        "InvalidMapping", True,
    )  # fmt: skip


def test_a_row_that_describes_no_item_is_quarantined_as_one(
    folders: tuple[Path, Path],
) -> None:
    source, path = folders
    write(source / "events/a.csv", [row(7, 50, 3.5, "x"), row(7, 60, "dear", "x")])
    mapping = declare(interactions=INTERACTIONS, items=ITEMS)
    assert check(source, path, mapping).rows == 2
    assert reasons(path) == {"BadFeature:price": 1}
