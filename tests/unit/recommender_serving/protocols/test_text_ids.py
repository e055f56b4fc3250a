"""A version whose ids are texts takes texts and answers texts, over every protocol."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from recommender_contract.ids import IdKind, IdKinds, hashed
from recommender_serving.artifact.loader import ArtifactError, load
from recommender_serving.domain.types import Ranking
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.triton.inputs import Tensors
from tests.unit.recommender_serving.serving_fakes import FakeRanker, Parts, giving
from tests.unit.recommender_serving.serving_rpc import calling
from tests.unit.recommender_serving.serving_samples import TEXTS, write_files, write_text_files
from tests.unit.recommender_serving.serving_served import Served

PREDICT = "/v1/models/recommender:predict"
INFER = "/v2/models/recommender/infer"
BEST = Ranking(tuple(map(hashed, TEXTS)), tuple(1 - i / 10 for i in range(len(TEXTS))))


class Watching(FakeRanker):
    """Answers, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(lambda: BEST)
        self.asked: dict[str, bytes] = {}

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        self.asked = {tensor.name: tensor.data for tensor in tensors}
        return await super().rank(tensors, top_n, timeout)


def parts(folder: Path, model: FakeRanker) -> Parts:
    write_text_files(folder)
    return Parts(folder, model, giving(BEST), artifact=load(folder))


@pytest.fixture
def model() -> Watching:
    return Watching()


@pytest.fixture
async def named(tmp_path: Path, model: Watching) -> AsyncIterator[Served]:
    served = await Served.opened(tmp_path, parts(tmp_path, model))
    async with served.http:
        yield served


@pytest.mark.parametrize("text", TEXTS)
async def test_v1_takes_texts_and_answers_texts(named: Served, model: Watching, text: str) -> None:
    instance = {"user_id": text, "session": [{"item": text, "timestamp": 5}], "top_n": 8}
    answer = await named.http.post(PREDICT, json={"instances": [instance]})
    assert answer.status_code == 200
    (prediction,) = answer.json()["predictions"]
    assert (prediction["items"], prediction["source"]) == (TEXTS, "model")
    assert struct.unpack("<q", model.asked["user_id"]) == (hashed(text),)
    assert struct.unpack("<5q", model.asked["session_items"])[-1] == hashed(text)


@pytest.mark.parametrize("path", [PREDICT, INFER])
async def test_a_number_for_a_text_is_refused_and_counts_as_invalid(
    named: Served, path: str
) -> None:
    tensor = {"name": "user_id", "datatype": "INT64", "shape": [1], "data": [7]}
    body = {"instances": [{"user_id": 7}]} if path == PREDICT else {"inputs": [tensor]}
    answer = await named.http.post(path, json=body)
    assert answer.status_code == 400
    assert "user_id: got " in answer.json()["error"]
    assert "the ids of this version are texts" in answer.json()["error"]
    assert named.count("invalid") == 1


def v2(**tensors: list[str]) -> dict[str, Any]:
    return {
        "inputs": [
            {"name": name, "datatype": "BYTES", "shape": [len(values)], "data": values}
            for name, values in tensors.items()
        ]
    }


async def test_v2_takes_texts_and_answers_texts(named: Served, model: Watching) -> None:
    body = v2(user_id=["日本"], session_items=["a,b", "never seen"])
    answer = await named.http.post(INFER, json=body)
    assert answer.status_code == 200
    items = next(each for each in answer.json()["outputs"] if each["name"] == "item_ids")
    assert (items["datatype"], items["data"]) == ("BYTES", TEXTS)
    assert struct.unpack("<q", model.asked["user_id"]) == (hashed("日本"),)
    sent = struct.unpack("<5q", model.asked["session_items"])
    assert sent == (-1, -1, -1, hashed("a,b"), hashed("never seen"))


async def test_v2_describes_its_ids_as_texts(named: Served) -> None:
    body = (await named.http.get("/v2/models/recommender")).json()
    kinds = {each["name"]: each["datatype"] for each in body["inputs"] + body["outputs"]}
    assert [kinds[name] for name in ("user_id", "session_items", "item_ids")] == ["BYTES"] * 3
    assert kinds["session_timestamps"] == "INT64"


def packed(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data


async def test_grpc_takes_texts_and_answers_texts_raw_and_typed(named: Served) -> None:
    head = {"name": "user_id", "datatype": "BYTES", "shape": [1]}
    raw = pb.ModelInferRequest(
        model_name="recommender", inputs=[head], raw_input_contents=[packed("naïve-ß")]
    )
    typed = pb.ModelInferRequest(
        model_name="recommender",
        inputs=[head | {"contents": {"bytes_contents": ["naïve-ß".encode()]}}],
    )
    async with calling(named.service) as (stub, _):
        by_raw, by_typed = await stub.ModelInfer(raw), await stub.ModelInfer(typed)
    assert by_raw.raw_output_contents[0] == b"".join(map(packed, TEXTS))
    contents = by_typed.outputs[0].contents.bytes_contents
    assert [each.decode() for each in contents] == TEXTS


async def test_an_item_without_a_text_is_a_fall_to_the_next_that_has_them(tmp_path: Path) -> None:
    strange = giving(Ranking((hashed("a,b"), 5), (0.9, 0.8)))
    served = await Served.opened(tmp_path, parts(tmp_path, strange))
    async with served.http:
        answer = await served.http.post(PREDICT, json={"instances": [{"user_id": "a"}]})
    assert answer.json()["predictions"][0]["source"] == "baseline"
    assert served.parts.value("recommender_fallbacks_total", reason="shape") == 1


async def test_the_popularity_list_is_answered_as_texts(tmp_path: Path) -> None:
    nothing = giving(Ranking((), ()))
    write_text_files(tmp_path)
    empty = Parts(tmp_path, nothing, nothing, artifact=load(tmp_path))
    served = await Served.opened(tmp_path, empty)
    body = {"instances": [{"user_id": "a", "session": [{"item": TEXTS[0]}]}]}
    async with served.http:
        answer = await served.http.post(PREDICT, json=body)
    prediction = answer.json()["predictions"][0]
    assert (prediction["items"], prediction["source"]) == (TEXTS[1:3], "popularity")


def test_an_artifact_says_what_its_ids_are(tmp_path: Path) -> None:
    write_files(tmp_path / "numbers")
    plain = load(tmp_path / "numbers")
    assert (plain.ids, plain.item_texts) == (IdKinds(), None)
    write_text_files(tmp_path / "texts")
    named = load(tmp_path / "texts")
    assert named.ids == IdKinds(IdKind.TEXT, IdKind.TEXT)
    assert named.item_texts == {hashed(text): text for text in TEXTS}
    write_text_files(tmp_path / "users", item="Integer")
    assert load(tmp_path / "users").item_texts is None


OF_NOBODY: dict[str, Any] = {
    "features": ["gender"],
    "lists": [{"values": [0], "items": [7], "scores": [1.0]}],
    "users": {"ids": [], "values": []},
}


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("item_ids", {"texts": TEXTS[1:]}, "7 texts for 8 items"),
        ("item_ids", {"texts": [*TEXTS[1:], TEXTS[0]]}, "the blake2b-63 hash of .* is not item"),
        ("item_ids", {"texts": [*TEXTS[:-1], "x" * 257]}, r"texts.7"),
        ("item_ids", {"texts": [*TEXTS[:-1], 42]}, r"texts.7"),
        ("item_ids", {"schema": "recommender.dev/item-ids/v2"}, "schema"),
        ("popularity", {"items": [5, 6, 7]}, "item 5 of popularity.json has no text"),
        ("popularity", {"segments": OF_NOBODY}, "item 7 of popularity.json has no text"),
        ("manifest", {"ids": {"user": "Text", "item": "Text", "hash": "md5"}}, "ids.hash"),
        ("manifest", {"ids": {"user": "Text", "hash": "blake2b-63"}}, "ids.item"),
        ("manifest", {"ids": {"user": "Name", "item": "Text"}}, "ids.user"),
        ("manifest", {"schema": "recommender.dev/manifest/v2"}, "schema"),
    ],
)
def test_an_artifact_whose_texts_are_not_its_items_is_refused(
    tmp_path: Path, file: str, change: dict[str, Any], message: str
) -> None:
    write_text_files(tmp_path)
    path = tmp_path / f"{file}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArtifactError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("name", ["item_ids.json", "manifest.json"])
def test_an_artifact_without_its_texts_or_manifest_is_refused(tmp_path: Path, name: str) -> None:
    write_text_files(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ArtifactError, match=f"{name} cannot be read"):
        load(tmp_path)
