"""Text ids end to end: ingested, trained, exported, and answered by the transformer."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from recommender_contract.artifact import ITEM_IDS, MANIFEST
from recommender_contract.ids import IdKind, IdKinds
from recommender_examples import synthetic
from recommender_serving.artifact import loader as serving
from recommender_training.artifact import manifest
from recommender_training.cli import main
from recommender_training.common.errors import InputError
from tests.training_fixtures import CONFIG

SHAPES = ["a,b", '"quoted"', "naïve-ß", "日本", "  spaced  ", "'", "\\", "42"]
MAPPING = {
    "interactions": {
        "files": "events.csv",
        "user": "who",
        "item": "what",
        "timestamp": "at",
        "value": "rating",
    },
    "items": {
        "files": "things.csv",
        "id": "sku",
        "features": [
            {"name": "tag", "kind": "MultiCategorical", "column": "tags", "separator": " "}
        ],
    },
    "ids": {"user": "Text", "item": "Text"},
}


def named(number: int) -> str:
    """The first are the shapes themselves."""
    shape = SHAPES[number % len(SHAPES)]
    return shape if number < len(SHAPES) else f"{shape}{number // len(SHAPES)}"


@dataclass(frozen=True)
class Shop:
    """A published artifact, and the texts of the events that it was trained on."""

    artifact: Path
    digest: str
    events: pl.DataFrame


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    synthetic.generate(folder / "ml", synthetic.Size(80, 40, 2000), seed=5)
    numbers = pl.read_csv(folder / "ml" / "synthetic.inter", separator="\t")
    things = pl.read_csv(folder / "ml" / "synthetic.item", separator="\t")

    def text(column: str) -> pl.Expr:
        return pl.col(column).map_elements(lambda each: named(each - 1), return_dtype=pl.String)

    events = numbers.select(
        who=text("user_id:token"),
        what=text("item_id:token"),
        at="timestamp:float",
        rating="rating:float",
    )
    (folder / "raw").mkdir()
    events.write_csv(folder / "raw" / "events.csv")
    things.select(sku=text("item_id:token"), tags="class:token_seq").write_csv(
        folder / "raw" / "things.csv"
    )
    report = folder / "report.json"
    code = main.main(
        ["run", "--source", str(folder / "raw"), "--format", "CSV",
         "--mapping", json.dumps(MAPPING), "--work", str(folder / "work"),
         "--max-quarantined-share", "0", "--config", CONFIG, "--report", str(report)]
    )  # fmt: skip
    answer = json.loads(report.read_text())
    assert (code, answer["reason"]) == (0, "Done")
    return Shop(folder / "work" / answer["path"], answer["digest"], events)


def test_the_artifact_says_that_its_ids_are_texts_and_has_those_of_its_items(shop: Shop) -> None:
    facts = manifest.verify_artifact(shop.artifact, shop.digest)
    assert facts["ids"] == {"user": "Text", "item": "Text", "hash": "blake2b-63"}
    assert ITEM_IDS in {entry["path"] for entry in facts["files"]}
    loaded = serving.load(shop.artifact)
    assert loaded.ids == IdKinds(IdKind.TEXT, IdKind.TEXT)
    assert loaded.item_texts is not None
    sold = set(shop.events["what"])
    assert sold <= set(loaded.item_texts.values())
    assert {"a,b", '"quoted"', "naïve-ß", "日本", "  spaced  "} <= sold


def test_no_file_of_the_artifact_has_the_text_of_a_user(shop: Shop) -> None:
    items = set((serving.load(shop.artifact).item_texts or {}).values())
    users = [user for user in set(shop.events["who"]) - items if len(user) > 3]
    assert len(users) > 10
    for path in filter(Path.is_file, shop.artifact.rglob("*")):
        content = path.read_bytes()
        for user in users:
            assert user.encode() not in content
            assert json.dumps(user).encode() not in content


def test_an_artifact_that_lost_its_texts_is_not_published(shop: Shop, tmp_path: Path) -> None:
    facts = json.loads((shop.artifact / MANIFEST).read_text())
    for entry in facts["files"]:
        if entry["path"] != ITEM_IDS:
            target = tmp_path / entry["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((shop.artifact / entry["path"]).read_bytes())
    kept = {key: value for key, value in facts.items() if key not in ("files", "schema")}
    digest = manifest.write_manifest(tmp_path, kept)
    with pytest.raises(InputError, match=r"item_ids\.json is not in the manifest"):
        manifest.verify_artifact(tmp_path, digest)


def test_the_transformer_answers_texts_with_the_models_of_the_artifact(shop: Shop) -> None:
    bought = shop.events.filter(pl.col("who") == "a,b").sort("at")
    session = [
        {"item": what, "timestamp": at, "value": rating}
        for what, at, rating in bought.select("what", "at", "rating").rows()[-10:]
    ]
    request = {"session": session, "top_n": 20, "timestamp": session[-1]["timestamp"] + 1}
    body = {"instances": [{"user_id": "a,b", **request}, {"user_id": "a,b ", **request}]}
    # In a process of its own: its event loop and its torch are not those of this one.
    answer = subprocess.run(
        [sys.executable, "-m", "tests.integration.training.transformer_in_process",
         str(shop.artifact)],
        input=json.dumps(body), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    known, stranger = json.loads(answer.stdout)["predictions"]
    assert (known["source"], stranger["source"]) == ("model", "model")
    texts = set((serving.load(shop.artifact).item_texts or {}).values())
    left = texts - {event["item"] for event in session}
    assert len(known["items"]) == min(20, len(left))
    assert set(known["items"]) <= left
    # one blank more is another user, whom the model does not know
    assert known["scores"] != stranger["scores"]
