"""`recommend` answers what the endpoint answers, and nothing where the endpoint refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor, nn

from recommender_contract.artifact import MANIFEST, VOCABULARY
from recommender_training.artifact import manifest, triton
from recommender_training.cli import main
from recommender_training.common.durable_files import canonical_json
from recommender_training.data import load, time_format
from recommender_training.export import torchscript
from tests.integration.training import offline_bodies
from tests.unit.recommender_serving.serving_samples import NOW

CONFIG = '{"algorithm": "LogisticRegression", "seed": 3}'
AS_OF = time_format.iso_time(NOW)


class Raising(nn.Module):
    """A model with one list for all, but no answer for users of odd numbers."""

    def __init__(self, items: list[int]) -> None:
        super().__init__()
        self.listed = items

    def forward(
        self, user: Tensor, features: Tensor, items: Tensor, times: Tensor, values: Tensor,
        now: Tensor, top_n: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        if bool((user % 2 == 1).any()):
            raise RuntimeError("no answer")
        listed = torch.tensor(self.listed).unsqueeze(0).repeat(user.size(0), 1)
        return listed, torch.full(listed.shape, 0.5)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact with text ids and features of all kinds."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "numbers").mkdir()
    offline_bodies.write_shop(folder / "raw", folder / "numbers")
    report = folder / "report.json"
    main.main(
        ["run", "--source", str(folder / "raw"), "--format", "Parquet",
         "--mapping", json.dumps(offline_bodies.MAPPING), "--work", str(folder / "work"),
         "--config", CONFIG, "--report", str(report)]
    )  # fmt: skip
    answer = json.loads(report.read_text())
    assert answer["reason"] == "Done", answer
    return folder / "work" / str(answer["path"])


def changed(artifact: Path, folder: Path, vocabulary: Any = None, **models: nn.Module) -> Path:
    """A valid copy of an artifact with other models, or further fields of its vocabulary."""
    shutil.copytree(artifact, folder)
    facts = json.loads((folder / MANIFEST).read_text())
    for name, model in models.items():
        torchscript.save(model, triton.model_path(folder, name))
    if vocabulary is not None:
        words = json.loads((folder / VOCABULARY).read_text()) | vocabulary
        (folder / VOCABULARY).write_bytes(canonical_json(words))
    (folder / MANIFEST).unlink()
    kept = {key: value for key, value in facts.items() if key not in ("files", "schema")}
    manifest.write_manifest(folder, kept)
    return folder


def recommend(
    artifact: Path, bodies: list[Any], folder: Path, *options: str
) -> tuple[int, list[Any]]:
    """The exit code and the lines of the output."""
    requests, output = folder / "requests.jsonl", folder / "answers.jsonl"
    requests.write_text("".join(json.dumps(body) + "\n" for body in bodies))
    code = main.main(
        ["recommend", "--artifact", str(artifact), "--requests", str(requests),
         "--as-of", AS_OF, "--output", str(output), *options]
    )  # fmt: skip
    return code, [json.loads(line) for line in output.read_text().splitlines()]


def endpoint(artifact: Path, bodies: list[Any]) -> list[Any]:
    """What the transformer answers to each instance; None where it refuses one."""
    # In a process of its own: its event loop and its torch are not those of this one.
    ended = subprocess.run(
        [sys.executable, "-m", "tests.integration.training.transformer_in_process",
         str(artifact)],
        input=json.dumps(bodies), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return list(json.loads(ended.stdout))


def agree(lines: list[Any], theirs: list[Any], bodies: list[Any]) -> None:
    assert [line["line"] for line in lines] == list(range(1, len(bodies) + 1))
    for line, other, body in zip(lines, theirs, bodies, strict=True):
        assert ("error" in line) == (other is None), (line, other, body)
        if other is not None:
            shared = ("items", "source", "score_kind")
            assert [line[key] for key in shared] == [other[key] for key in shared], body
            # Batches change the last bits.
            assert line["scores"] == pytest.approx(other["scores"], abs=1e-6), body
            assert line.get("user_id") == body.get("user_id")


def tags_of(artifact: Path) -> list[str]:
    columns = json.loads((artifact / VOCABULARY).read_text())["items"]["features"]
    return next(list(each["categories"]) for each in columns if each["name"] == "tag")


@pytest.mark.parametrize("repeat_after", [None, 0, 86_400])
def test_every_body_gets_the_list_of_the_endpoint_or_an_error(
    shop: Path, tmp_path: Path, repeat_after: int | None
) -> None:
    artifact = shop
    if repeat_after is not None:
        artifact = changed(shop, tmp_path / "copy", {"repeatAfterSeconds": repeat_after})
    bodies = offline_bodies.bodies(400, NOW, tags_of(shop))
    code, lines = recommend(artifact, bodies, tmp_path)
    agree(lines, endpoint(artifact, bodies), bodies)
    bad = sum("error" in line for line in lines)
    assert 80 < bad < 300
    assert code == 2


@pytest.mark.parametrize("models", ["recommender", "both"])
def test_without_a_model_the_baseline_or_the_popularity_answers_as_at_the_endpoint(
    shop: Path, tmp_path: Path, models: str
) -> None:
    names = triton.MODELS if models == "both" else [models]
    broken = Raising(json.loads((shop / VOCABULARY).read_text())["items"]["ids"])
    artifact = changed(shop, tmp_path / "copy", **dict.fromkeys(names, broken))
    bodies = [
        body
        for body in offline_bodies.bodies(400, NOW, tags_of(shop), seed=1)
        if body.get("top_n") not in (0, 201)
    ]
    _, lines = recommend(artifact, bodies, tmp_path)
    agree(lines, endpoint(artifact, bodies), bodies)
    sources = {line["source"] for line in lines if "source" in line}
    assert sources == {"model", "popularity"} | ({"baseline"} if models != "both" else set())


def test_numbers_are_answered_as_at_the_endpoint(trained: Any, tmp_path: Path) -> None:
    event = {"item": 3, "timestamp": NOW - 60, "value": 4.0}
    bodies: list[Any] = [
        {"user_id": 5},
        {"user_id": 999_999, "user": {"age": 30, "gender": "F"}},
        {"user_id": 5, "session": [event, {**event, "item": 77_777}]},
        {"session": [{"item": 8}, {"item": 9}], "top_n": 60},
        {"seed_items": [4], "candidate_items": [4, 5, 5, 123_456], "top_n": 200},
        {"user_id": 5, "candidate_items": [-1]},
        {"user_id": 5, "excluded_items": list(range(1, 70))},
        {"user_id": 2**63},
        {"user_id": 5, "top_n": 201},
        {"instances": [{"user_id": 5}]},
        [],
    ]
    code, lines = recommend(trained.staged, bodies, tmp_path)
    objects = [body for body in bodies if isinstance(body, dict)]
    agree(lines[: len(objects)], endpoint(trained.staged, objects), objects)
    assert code == 2
    assert [line["line"] for line in lines if "error" in line] == [6, 8, 9, 10, 11]
    assert lines[8]["error"] == "line 9: top_n=201: Input should be less than or equal to 200"


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_any_number_of_workers_writes_the_same_bytes(
    shop: Path, tmp_path: Path, suffix: str
) -> None:
    requests = tmp_path / "requests.jsonl"
    bodies = offline_bodies.bodies(1200, NOW, tags_of(shop), seed=2)
    requests.write_text("".join(json.dumps(body) + "\n" for body in bodies))
    found = []
    for workers in (1, 4):
        output = tmp_path / f"{workers}{suffix}"
        main.main(
            ["recommend", "--artifact", str(shop), "--requests", str(requests), "--as-of", AS_OF,
             "--output", str(output), "--workers", str(workers)]
        )  # fmt: skip
        found.append(output.read_bytes())
    assert found[0] == found[1]
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


def test_rows_of_parquet_are_answered_like_lines(shop: Path, tmp_path: Path) -> None:
    bodies = [
        {"user_id": "ü3", "top_n": 4, "user": {"age": 20.0}, "context": {"device": "tv"}},
        {"user_id": None, "session": [{"item": "item 5", "timestamp": NOW - 5}]},
        {"user_id": "ü4", "user": {"age": 300.0}},
        {"user_id": "ü5", "allow": {"tag": tags_of(shop)[:2]}},
    ]
    requests, output = tmp_path / "requests.parquet", tmp_path / "answers.parquet"
    pl.DataFrame(bodies).write_parquet(requests)
    code = main.main(
        ["recommend", "--artifact", str(shop), "--requests", str(requests), "--as-of", AS_OF,
         "--output", str(output)]
    )  # fmt: skip
    lines = recommend(shop, bodies, tmp_path)[1]
    rows = pl.read_parquet(output).to_dicts()
    assert code == 2
    assert [
        {key: value for key, value in row.items() if value is not None} for row in rows
    ] == lines
    assert rows[2]["error"] == "line 3: user.age=300.0: Input should be less than or equal to 120"


@pytest.mark.parametrize("is_past", [False, True])
def test_all_users_get_the_lists_of_requests_with_what_they_did(
    trained: Any, tmp_path: Path, is_past: bool
) -> None:
    _, data = load.load_dataset(trained.lake, trained.data_version, None)
    events, now = data.events, int(data.events.time[-1]) + 1
    if is_past:
        now = int(events.time[len(events) // 2])
    output = tmp_path / "lists.parquet"
    code = main.main(
        ["recommend", "--artifact", str(trained.staged), "--all-users", "--lake",
         str(trained.lake), "--data-version", trained.data_version, "--top", "7",
         "--output", str(output), "--workers", "2",
         *(["--as-of", time_format.iso_time(now)] if is_past else [])]
    )  # fmt: skip
    assert code == 0
    rows = pl.read_parquet(output).to_dicts()
    assert [row["user_id"] for row in rows] == data.users.ids.tolist()
    bodies = []
    for place, user in enumerate(data.users.ids.tolist()):
        own = [int(row) for row in (events.user == place).nonzero()[0] if events.time[row] < now]
        session = [
            {"item": int(data.items.ids[events.item[row]]), "timestamp": int(events.time[row]),
             "value": float(events.value[row])}
            for row in own
        ]  # fmt: skip
        bodies.append({"user_id": user, "session": session, "timestamp": now, "top_n": 7})
    theirs = endpoint(trained.staged, bodies)
    assert [row["items"] for row in rows] == [each["items"] for each in theirs]
    assert all(len(row["items"]) == 7 for row in rows)


def test_all_users_of_texts_are_named_by_their_texts(shop: Path, tmp_path: Path) -> None:
    facts = json.loads((shop / MANIFEST).read_text())
    output = tmp_path / "lists.jsonl"
    code = main.main(
        ["recommend", "--artifact", str(shop), "--all-users", "--lake",
         str(shop.parents[2] / "lake" / "local"), "--data-version", facts["dataVersion"],
         "--output", str(output)]
    )  # fmt: skip
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert code == 0
    assert {line["user_id"] for line in lines} == {f"ü{each}" for each in range(1, 61)}
    assert all(item.startswith("item ") for line in lines for item in line["items"])


def test_an_artifact_that_changed_is_not_loaded(shop: Path, tmp_path: Path) -> None:
    shutil.copytree(shop, tmp_path / "copy")
    with triton.model_path(tmp_path / "copy").open("ab") as stream:
        stream.write(b"x")
    (tmp_path / "requests.jsonl").write_text('{"user_id": "ü1"}\n')
    output = tmp_path / "answers.jsonl"
    code = main.main(
        ["recommend", "--artifact", str(tmp_path / "copy"), "--output", str(output),
         "--requests", str(tmp_path / "requests.jsonl")]
    )  # fmt: skip
    assert (code, output.exists()) == (2, False)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--top", "201"), "InvalidTop"),
        (("--as-of", "yesterday"), "InvalidAsOf"),
        (("--output", "answers.csv"), "InvalidOutput"),
        (("--requests", "missing.jsonl"), "DataMissing"),
        (("--digest", "sha256:0"), "ArtifactInvalid"),
    ],
)
def test_bad_arguments_are_refused_with_a_reason(
    shop: Path, tmp_path: Path, options: tuple[str, str], reason: str
) -> None:
    (tmp_path / "requests.jsonl").write_text('{"user_id": "ü1"}\n')
    report = tmp_path / "report.json"
    code = main.main(
        ["recommend", "--artifact", str(shop), "--requests", str(tmp_path / "requests.jsonl"),
         *options, "--report", str(report)]
    )  # fmt: skip
    assert (code, json.loads(report.read_text())["reason"]) == (2, reason)
