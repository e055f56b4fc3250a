"""`init` on files of public data sets that are no log as they are: an error that names the column
and the remedy.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_training.common.errors import InputError
from tests.unit.recommender_training.ingestion.test_propose import proposed
from tests.unit.recommender_training.ingestion.test_public_logs import acts, at, source, table

REFUSED: dict[str, tuple[dict[str, str], str, tuple[str, ...]]] = {
    "YooChoose": (
        {"yoochoose-clicks.csv": "".join(
            f"{user},{at(second, '%Y-%m-%dT%H:%M:%S.277Z')},{item},0\n"
            for user, item, second, _ in acts())},
        "InvalidMapping",
        ("has no header", "write the names of the columns as its first line",
         "mapping.interactions.columns"),
    ),
    "Instacart": (
        {"orders.csv": table([{"order_id": n, "user_id": n % 9, "order_number": 1,
                               "order_dow": 2, "order_hour_of_day": 8,
                               "days_since_prior_order": 7.0} for n in range(50)]),
         "order_products__train.csv": table([{"order_id": n, "product_id": n % 7,
                                              "add_to_cart_order": 1, "reordered": n % 2}
                                             for n in range(50)])},
        "InvalidMapping",
        ("orders.csv", "no column of items, no column of times", "no column of users",
         "Join tables"),
    ),
    "Steam as Python literals": (
        {"steam_reviews.json": "{'username': 'a', 'product_id': 1, 'date': '2017-12-17'}\n" * 9},
        "UnreadableData",
        ("steam_reviews.json", "no line is a JSON object", "'username'"),
    ),
    "Amazon reviews, packed": (
        {"Books_5.json.gz": "packed"}, "DataMissing", ("Books_5.json.gz", "unpack archives"),
    ),
    "Last.fm, other endings": (
        {"user_artists.dat": "userID\tartistID\tweight\n"}, "DataMissing",
        ("user_artists.dat", "rename"),
    ),
    "Last.fm 360K": (
        {"plays.tsv": table([{"userID": n, "artistID": n, "weight": n} for n in range(50)], "\t")},
        "InvalidMapping", ("plays.tsv", "no column of times"),
    ),
    "Book-Crossing": (
        {"BX-Book-Ratings.csv": table([{"User-ID": n, "ISBN": n, "Book-Rating": n % 10}
                                       for n in range(50)], ";")},
        "InvalidMapping", ("BX-Book-Ratings.csv", "no column of times"),
    ),
    "times of another form": (
        {"reviews.csv": table([{"user_id": n, "item_id": n, "stars": n % 5 + 1,
                                "review_date": "31.12.2025"} for n in range(50)])},
        "InvalidMapping",
        ("'review_date' has '31.12.2025'", "write it as ISO 8601"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_no_log_are_refused_with_the_column_and_the_remedy(
    name: str, tmp_path: Path
) -> None:
    files, reason, words = REFUSED[name]
    with pytest.raises(InputError) as caught:
        proposed(source(tmp_path, files))
    assert caught.value.reason == reason
    for each in words:
        assert each in caught.value.message
