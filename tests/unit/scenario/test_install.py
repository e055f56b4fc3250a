"""The data of the end-to-end tests."""

from __future__ import annotations

from pathlib import Path

from tests.scenario.install import keep_popular

EVENTS = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
ITEMS = "item_id:token\tmovie_title:token_seq\n"


def test_only_the_popular_items_and_their_events_are_kept_as_they_were(tmp_path: Path) -> None:
    rows = [f"{user}\t{item}\t3\t{user}\n" for user, item in ((1, 7), (2, 9), (3, 8), (4, 9))]
    more = ["5\t8\t3\t5\n"]
    (tmp_path / "ml.inter").write_text(EVENTS + "".join([*rows, *more]))
    (tmp_path / "ml.item").write_text(f"{ITEMS}7\tSeven, Sæven\n8\tEight\n9\tNine\n")
    keep_popular(tmp_path, 2)
    assert (tmp_path / "ml.inter").read_text() == EVENTS + "".join([*rows[1:], *more])
    assert (tmp_path / "ml.item").read_text() == f"{ITEMS}8\tEight\n9\tNine\n"
