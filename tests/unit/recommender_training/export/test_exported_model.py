"""The exported models keep the contract: raw ids in, the best items out, whatever is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recommender_training.data.dataset import Dataset
from recommender_training.data.sessions import Request
from recommender_training.export import torchscript
from recommender_training.export.comparison_requests import comparison_request
from recommender_training.export.tensors import to_tensors

NOW = 890_000_000


@pytest.fixture(scope="module", params=["recommender", "baseline"])
def model(request: pytest.FixtureRequest, trained: Any) -> torch.jit.ScriptModule:
    path = trained.staged / "repository" / request.param / "1" / "model.pt"
    return torchscript.load(path)


@pytest.fixture(scope="module")
def vocabulary(trained: Any) -> dict[str, Any]:
    return dict(json.loads((trained.staged / "vocabulary.json").read_text()))


def ask(user_id: int = 5, items: tuple[int, ...] = (3, 8, 9), **more: Any) -> Request:
    session = [
        {"item": item, "timestamp": NOW - 600 + 10 * place, "value": 4.0}
        for place, item in enumerate(items)
    ]
    return {"user_id": user_id, "session": session, "timestamp": NOW, "top_n": 10, **more}


def answer(model: torch.jit.ScriptModule, *inputs: Tensor) -> tuple[Tensor, Tensor]:
    with torchscript.as_served():
        ids, scores = model(*inputs)
    return ids, scores


def close(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> None:
    assert torch.equal(one[0], other[0])
    torch.testing.assert_close(one[1], other[1], rtol=0, atol=1e-5)


def test_types_and_shapes_are_those_of_the_contract(
    model: torch.jit.ScriptModule, vocabulary: dict[str, Any]
) -> None:
    ids, scores = answer(model, *to_tensors([ask(), ask(7)], vocabulary))
    assert (ids.dtype, scores.dtype) == (torch.int64, torch.float32)
    assert ids.shape == scores.shape == (2, 10)
    assert bool(((scores > 0) & (scores < 1)).all())
    assert set(ids.flatten().tolist()) <= set(vocabulary["items"]["ids"])


def test_a_batch_answers_what_single_calls_answer(
    model: torch.jit.ScriptModule, vocabulary: dict[str, Any]
) -> None:
    requests = [
        ask(5),
        ask(6, (1, 2, 3, 4, 5, 6, 7)),
        ask(-1, ()),
        ask(999_999, (77_777, 3), user={"age": 30, "gender": "F"}),
        ask(8, tuple(range(1, 21))),
    ]
    ids, scores = answer(model, *to_tensors(requests, vocabulary))
    for row, request in enumerate(requests):
        single = answer(model, *to_tensors([request], vocabulary))
        close(single, (ids[row : row + 1], scores[row : row + 1]))


@pytest.mark.parametrize("batch", [1, 2, 7, 64, 1024])
def test_a_batch_of_any_size_with_unknown_ids_answers_what_single_calls_answer(
    model: torch.jit.ScriptModule, data: Dataset, batch: int
) -> None:
    random = np.random.default_rng(batch)
    asked = comparison_request(random, data, (batch, 20, 10))
    ids, scores = answer(model, *asked)
    for row in {0, batch // 2, batch - 1}:
        single = answer(model, *(each[row : row + 1] for each in asked))
        close(single, (ids[row : row + 1], scores[row : row + 1]))


def test_padding_changes_nothing(
    model: torch.jit.ScriptModule, vocabulary: dict[str, Any]
) -> None:
    user, side, items, times, values, now, top_n = to_tensors([ask()], vocabulary)
    pad = torch.full((1, 9), -1)
    padded = answer(
        model,
        user,
        side,
        torch.cat([pad, items], 1),
        torch.cat([torch.zeros_like(pad), times], 1),
        torch.cat([torch.zeros(1, 9), values], 1),
        now,
        top_n,
    )
    close(answer(model, user, side, items, times, values, now, top_n), padded)


def test_items_of_the_session_are_never_answered(
    model: torch.jit.ScriptModule, vocabulary: dict[str, Any]
) -> None:
    first = answer(model, *to_tensors([ask(items=())], vocabulary))[0][0].tolist()
    again = answer(model, *to_tensors([ask(items=tuple(first[:5]))], vocabulary))[0][0].tolist()
    assert not set(first[:5]) & set(again)


def test_events_that_are_not_strictly_earlier_count_for_nothing(
    model: torch.jit.ScriptModule, vocabulary: dict[str, Any]
) -> None:
    request = ask(items=(3, 8, 9))
    request["session"][2]["timestamp"] = NOW
    loud = json.loads(json.dumps(request))
    loud["session"][2]["value"] = 1.0
    loud["session"][2]["timestamp"] = NOW + 5
    close(
        answer(model, *to_tensors([request], vocabulary)),
        answer(model, *to_tensors([loud], vocabulary)),
    )


def test_the_session_changes_the_answer(
    model: torch.jit.ScriptModule, vocabulary: dict[str, Any]
) -> None:
    quiet = answer(model, *to_tensors([ask(items=())], vocabulary))
    told = answer(model, *to_tensors([ask(items=(3, 8, 9, 11))], vocabulary))
    assert not torch.allclose(quiet[1], told[1], atol=1e-3)


def test_side_features_of_known_users_are_filled_in(
    model: torch.jit.ScriptModule, vocabulary: dict[str, Any], data: Dataset
) -> None:
    stated = {
        each.name: each.stated(data.users.side[4:5, place])[0]
        for place, each in enumerate(data.attributes)
    }
    said = ask(int(data.users.ids[4]), user=stated)
    silent = ask(int(data.users.ids[4]))
    close(
        answer(model, *to_tensors([said], vocabulary)),
        answer(model, *to_tensors([silent], vocabulary)),
    )
    swapped = {"F": "M", "M": "F"}[stated["gender"]]
    other = ask(int(data.users.ids[4]), user={"age": 80, "gender": swapped})
    assert not torch.equal(
        answer(model, *to_tensors([other], vocabulary))[1],
        answer(model, *to_tensors([silent], vocabulary))[1],
    )


def test_a_value_outside_its_limits_is_unknown(
    model: torch.jit.ScriptModule, vocabulary: dict[str, Any]
) -> None:
    inputs = list(to_tensors([ask(-1)], vocabulary))
    silent = answer(model, *inputs)
    for beyond in ([5_000.0, 99.0, 99.0], [-1.0, -1.0, -1.0]):
        inputs[1] = torch.tensor([beyond])
        close(silent, answer(model, *inputs))


def test_only_the_last_events_of_a_long_session_count(
    model: torch.jit.ScriptModule, vocabulary: dict[str, Any]
) -> None:
    length = vocabulary["historyLength"]
    request = ask(items=tuple(range(1, length + 1)))
    user, side, items, times, values, now, top_n = to_tensors([request], vocabulary)
    longer = answer(
        model,
        user,
        side,
        torch.cat([torch.full((1, 3), 999), items], 1),
        torch.cat([times[:, :1].expand(1, 3) - 100, times], 1),
        torch.cat([torch.ones(1, 3), values], 1),
        now,
        top_n,
    )
    close(answer(model, user, side, items, times, values, now, top_n), longer)


def test_fewer_items_than_asked_for_are_all_there_are(
    model: torch.jit.ScriptModule, vocabulary: dict[str, Any]
) -> None:
    everything = len(vocabulary["items"]["ids"])
    ids, scores = answer(model, *to_tensors([ask(top_n=10_000)], vocabulary))
    assert ids.shape == scores.shape == (1, everything - 3)
    assert len(set(ids[0].tolist())) == everything - 3


def test_a_batch_gets_as_many_as_its_largest_wants(
    model: torch.jit.ScriptModule, vocabulary: dict[str, Any]
) -> None:
    ids, _ = answer(model, *to_tensors([ask(top_n=2), ask(6, top_n=7)], vocabulary))
    assert ids.shape == (2, 7)


def test_parity_with_eager_mode_is_reported_and_tight(trained: Any) -> None:
    parity = trained.result.report["parity"]
    for name in ("recommender", "baseline"):
        assert parity[name]["requests"] > 5
        assert parity[name]["maxDifference"] < 1e-5


def test_a_load_needs_no_arbitrary_pickle(trained: Any) -> None:
    path: Path = trained.staged / "repository" / "recommender" / "1" / "model.pt"
    names = torch._C.PyTorchFileReader(str(path)).get_all_records()
    assert not [name for name in names if name.endswith(".debug_pkl")]
    assert str(Path.cwd()).encode() not in path.read_bytes()
