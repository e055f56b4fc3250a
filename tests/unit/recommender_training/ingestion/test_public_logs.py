"""`init` on logs in the shapes of public data sets: a proposal that a check accepts.

Names and forms of columns are those of the data sets; the rows are generated.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recommender_training.cli import main
from tests.mapped_files import START, Row

ROWS = 2400
Acts = list[tuple[int, int, int, bool]]


def acts() -> Acts:
    """User, item, second, and whether the user likes the item."""
    random = np.random.default_rng(5)
    return [
        (int(random.integers(60)), int(random.integers(40)), START - 40 * 86_400 + n * 900,
         bool(random.random() < 0.4))
        for n in range(ROWS)
    ]  # fmt: skip


def at(second: int, form: str) -> str:
    return datetime.datetime.fromtimestamp(second, datetime.UTC).strftime(form)


def table(rows: list[Row], delimiter: str = ",") -> str:
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return "".join(f"{delimiter.join(line)}\n" for line in lines)


def objects(rows: list[Row]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def retail_rocket() -> dict[str, str]:
    rows: list[Row] = []
    for user, item, second, liked in acts():
        rows.append({"timestamp": second * 1000 + 7, "visitorid": user, "event": "view",
                     "itemid": item, "transactionid": ""})  # fmt: skip
        if liked:
            rows.append({"timestamp": second * 1000 + 90_007, "visitorid": user,
                         "event": "transaction", "itemid": item,
                         "transactionid": len(rows)})  # fmt: skip
    properties: list[Row] = [
        {"timestamp": (START - 90 * 86_400) * 1000, "itemid": item, "property": "categoryid",
         "value": item % 7} for item in range(40)
    ]  # fmt: skip
    return {"events.csv": table(rows), "item_properties_part1.csv": table(properties)}


def once_a_day() -> Acts:
    """The acts without those that a user repeats with an item on a day."""
    return [*{(user, item, second // 86_400): (user, item, second, liked)
              for user, item, second, liked in acts()}.values()]  # fmt: skip


def h_and_m(bought: Callable[[], Acts] = once_a_day) -> dict[str, str]:
    rows: list[Row] = [
        {"t_dat": at(second, "%Y-%m-%d"), "customer_id": f"{user:064x}",
         "article_id": f"{663713000 + item:010}", "price": 0.05 + item / 1000,
         "sales_channel_id": 1 + user % 2}
        for user, item, second, _ in bought()
    ]  # fmt: skip
    people: list[Row] = [
        {"customer_id": f"{user:064x}", "FN": "1.0", "club_member_status": "ACTIVE",
         "age": 20 + user, "postal_code": f"{user:064x}"} for user in range(60)
    ]  # fmt: skip
    articles: list[Row] = [
        {"article_id": f"{663713000 + item:010}", "prod_name": f"Strap top {item}",
         "product_type_no": 253 + item % 3, "colour_group_name": ("Black", "White")[item % 2]}
        for item in range(40)
    ]  # fmt: skip
    return {"transactions_train.csv": table(rows), "customers.csv": table(people),
            "articles.csv": table(articles)}  # fmt: skip


def diginetica() -> dict[str, str]:
    rows: list[Row] = [
        {"sessionId": n // 4 + 1, "userId": "NA" if user % 5 else user,
         "itemId": (n // 4 * 7 + n % 4) % 40,  # of one session, no item twice
         "timeframe": 5_000 + n % 900_000, "eventdate": at(second, "%Y-%m-%d")}
        for n, (user, _, second, _) in enumerate(acts())
    ]  # fmt: skip
    products: list[Row] = [
        {"itemId": item, "pricelog2": item % 12, "product.name.tokens": f"{item},{item + 1}"}
        for item in range(40)
    ]
    return {"train-item-views.csv": table(rows, ";"), "products.csv": table(products, ";")}


def kuairec() -> dict[str, str]:
    rows: list[Row] = [
        {"user_id": user, "video_id": item, "play_duration": 9000 + second % 977,
         "video_duration": 8000 + item, "time": at(second, "%Y-%m-%d %H:%M:%S.123"),
         "date": at(second, "%Y%m%d"), "timestamp": f"{second}.123",
         "watch_ratio": (9000 + second % 977) / (8000 + item)}
        for user, item, second, _ in acts()
    ]  # fmt: skip
    return {"big_matrix.csv": table(rows)}


def amazon_2018() -> dict[str, str]:
    rows: list[Row] = [
        {"overall": 5.0 if liked else 2.0, "vote": "1,204", "verified": liked,
         "reviewTime": at(second, "%m %d, %Y"), "reviewerID": f"A{user:013}",
         "asin": f"B{item:09}", "style": {"Format:": " Hardcover"}, "reviewerName": f"N {user}",
         "reviewText": "long " * 40, "summary": f"Five Stars {n}", "unixReviewTime": second,
         "image": [f"https://images.example/{'x' * 80}/{n}.jpg"]}
        for n, (user, item, second, liked) in enumerate(acts())
    ]  # fmt: skip
    return {"Books_5.json": objects(rows)}


def amazon_2023() -> dict[str, str]:
    rows: list[Row] = [
        {"rating": 5.0 if liked else 2.0, "title": f"Nice {n}", "text": "long " * 40, "images": [],
         "asin": f"B{item:09}", "parent_asin": f"B{item:09}", "user_id": f"AG{user:026}",
         "timestamp": second * 1000 + 7, "helpful_vote": n % 4, "verified_purchase": n % 3 == 0}
        for n, (user, item, second, liked) in enumerate(acts())
    ]  # fmt: skip
    return {"All_Beauty.jsonl": objects(rows)}


def yelp() -> dict[str, str]:
    rows: list[Row] = [
        {"review_id": f"r{n:021}", "user_id": f"u{user:021}", "business_id": f"b{item:021}",
         "stars": 5.0 if liked else 2.0, "useful": n % 3, "funny": 0, "cool": n % 2,
         "text": "long " * 40, "date": at(second, "%Y-%m-%d %H:%M:%S")}
        for n, (user, item, second, liked) in enumerate(acts())
    ]  # fmt: skip
    places: list[Row] = [
        {"business_id": f"b{item:021}", "name": f"Cafe {item}", "city": "Tucson", "stars": 4.5,
         "is_open": item % 2, "attributes": {"WiFi": "free"}, "hours": None,
         "categories": "Coffee, Food"} for item in range(40)
    ]  # fmt: skip
    return {"yelp_academic_dataset_review.json": objects(rows),
            "yelp_academic_dataset_business.json": objects(places)}  # fmt: skip


def steam() -> dict[str, str]:
    """The recommendations of its store, as CSV."""
    rows: list[Row] = [
        {"app_id": 975_370 + item, "helpful": 0, "funny": n % 2, "date": at(second, "%Y-%m-%d"),
         "is_recommended": str(liked).lower(), "hours": 1.5 + n % 90, "user_id": user,
         "review_id": n}
        for n, (user, item, second, liked) in enumerate(once_a_day())
    ]  # fmt: skip
    return {"recommendations.csv": table(rows)}


def last_fm() -> dict[str, str]:
    rows: list[Row] = [
        {"userID": user, "artistID": item, "tagID": n % 13, "timestamp": second * 1000}
        for n, (user, item, second, _) in enumerate(acts())
    ]
    return {"user_taggedartists-timestamps.tsv": table(rows, "\t")}


def movie_lens() -> dict[str, str]:
    rows: list[Row] = [
        {"userId": user, "movieId": item, "rating": 4.5 if liked else 2.0, "timestamp": second}
        for user, item, second, liked in acts()
    ]
    films: list[Row] = [
        {"movieId": item, "title": f"Film {item} (1995)", "genres": "Comedy|Drama"}
        for item in range(40)
    ]
    return {"ratings.csv": table(rows), "movies.csv": table(films)}


def taobao_with_header() -> dict[str, str]:
    rows: list[Row] = [
        {"user_id": user, "item_id": item, "category_id": item % 9,
         "behavior_type": kind, "timestamp": second + later}
        for user, item, second, liked in acts()
        for kind, later in (("pv", 0), ("buy", 60))[: 1 + liked]
    ]  # fmt: skip
    return {"UserBehavior.csv": table(rows)}


Files = Callable[[], dict[str, str]]
LOGS: dict[str, tuple[Files, str, str, str]] = {
    "RetailRocket": (retail_rocket, "visitorid", "itemid", "timestamp"),
    "H&M": (h_and_m, "customer_id", "article_id", "t_dat"),
    "Diginetica": (diginetica, "sessionId", "itemId", "eventdate"),
    "KuaiRec": (kuairec, "user_id", "video_id", "timestamp"),
    "Amazon reviews 2018": (amazon_2018, "reviewerID", "asin", "unixReviewTime"),
    "Amazon reviews 2023": (amazon_2023, "user_id", "asin", "timestamp"),
    "Yelp": (yelp, "user_id", "business_id", "date"),
    "Steam": (steam, "user_id", "app_id", "date"),
    "Last.fm": (last_fm, "userID", "artistID", "timestamp"),
    "MovieLens": (movie_lens, "userId", "movieId", "timestamp"),
    "Taobao": (taobao_with_header, "user_id", "item_id", "timestamp"),
}


def source(folder: Path, files: dict[str, str]) -> Path:
    raw = folder / "raw"
    raw.mkdir()
    for name, text in files.items():
        (raw / name).write_text(text, encoding="utf-8")
    return raw


@pytest.mark.parametrize("name", LOGS)
def test_a_log_in_the_shape_of_a_public_data_set_passes_its_check(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, user, item, time = LOGS[name]
    raw, mapping, report = (
        source(tmp_path, files()), tmp_path / "mapping.json", tmp_path / "report.json"
    )  # fmt: skip
    assert main.main(["init", str(raw), "--output", str(mapping), "--report", str(report)]) == 0
    shown = capsys.readouterr().out
    events = json.loads(mapping.read_text())["interactions"]
    assert (events["user"], events["item"], events["timestamp"]) == (user, item, time), shown
    assert "check of these files: nothing blocks a training" in shown, shown
    assert "fit, see above why" not in json.loads(report.read_text())["message"], shown
    code = main.main(
        ["check", "--source", str(raw), "--format", json.loads(report.read_text())["format"],
         "--mapping", f"@{mapping}", "--lake", str(tmp_path / "lake"), "--report", str(report)]
    )  # fmt: skip
    said = json.loads(report.read_text())
    assert (code, said["quarantinedRows"]) == (0, 0), said


def test_days_without_times_repeat_events_and_the_check_of_them_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = source(tmp_path, h_and_m(acts))
    assert main.main(["init", str(raw)]) == 0
    (line,) = (
        line for line in capsys.readouterr().out.splitlines() if line.startswith("check of these")
    )
    assert "DuplicateEvent" in line
    assert "export one row per event" in line
    assert "raise data.maxQuarantinedShare" in line
