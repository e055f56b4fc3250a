"""Our `pytorch` backend serves a TorchScript repository according to the contract."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.grpc
import tritonclient.http

from tests.cluster.errors import ClusterError
from tests.cluster.triton import TritonServer, group_members, run_triton
from tests.integration.toy_models import BREAKS, CATALOGUE, INPUTS, FaultyOnDemand, save

pytestmark = pytest.mark.integration


class WrongType(torch.nn.Module):
    def forward(
        self,
        user_id: torch.Tensor,
        features: torch.Tensor,
        session_items: torch.Tensor,
        session_timestamps: torch.Tensor,
        session_values: torch.Tensor,
        timestamp: torch.Tensor,
        top_n: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return user_id.float(), user_id.float()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    repository = tmp_path_factory.mktemp("repository")
    # The delay makes Triton pass several requests to the backend in one call.
    save(
        FaultyOnDemand(),
        repository / "recommender",
        "dynamic_batching { max_queue_delay_microseconds: 50000 }",
    )
    save(WrongType(), repository / "baseline")
    with run_triton(repository) as running:
        yield running


@pytest.fixture(params=["http", "grpc"])
def client(request: pytest.FixtureRequest, server: TritonServer) -> Iterator[Client]:
    module = {"http": tritonclient.http, "grpc": tritonclient.grpc}[request.param]
    url = {"http": server.http_url, "grpc": server.grpc_url}[request.param]
    with Client(module, url) as opened:
        yield opened


class Client:
    """A client for one protocol."""

    def __init__(self, module: ModuleType, url: str) -> None:
        self.module = module
        options = {"concurrency": 8} if module is tritonclient.http else {}
        self.client = module.InferenceServerClient(url, **options)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def ask(
        self,
        users: list[int],
        top_n: int = 3,
        session: tuple[int, ...] = (-1,),
        model: str = "recommender",
        outputs: list[str] | None = None,
    ) -> Any:
        """The result of one request with a row for each user."""
        rows, length = len(users), len(session)
        values: dict[str, np.ndarray[Any, Any]] = {
            "user_id": np.array(users, np.int64)[:, None],
            "features": np.full((rows, 3), np.nan, np.float32),
            "session_items": np.tile(np.array(session, np.int64), (rows, 1)),
            "session_timestamps": np.zeros((rows, length), np.int64),
            "session_values": np.zeros((rows, length), np.float32),
            "timestamp": np.full((rows, 1), 1_000, np.int64),
            "top_n": np.full((rows, 1), top_n, np.int64),
        }
        tensors = []
        for name, value in values.items():
            tensor = self.module.InferInput(name, value.shape, INPUTS[name][0])
            tensor.set_data_from_numpy(value)
            tensors.append(tensor)
        wanted = [self.module.InferRequestedOutput(name) for name in outputs or []]
        return self.client.infer(model, tensors, outputs=wanted or None)


def best_items(user: int, top_n: int, session: tuple[int, ...] = ()) -> list[int]:
    ranked = sorted(range(CATALOGUE), key=lambda item: -((item + user) % CATALOGUE))
    return [item for item in ranked if item not in session][:top_n]


def test_answers_raw_ids_with_the_best_items_first(client: Client) -> None:
    result = client.ask([7], top_n=5, session=(42, 3, 40))

    assert result.as_numpy("item_ids__0").tolist() == [best_items(7, 5, (42, 3, 40))]
    scores = result.as_numpy("scores__1")
    assert scores.dtype == np.float32
    assert scores.tolist() == [sorted(scores[0].tolist(), reverse=True)]


def test_answers_each_row_of_a_batch(client: Client) -> None:
    users = [1, 20, 33]

    result = client.ask(users, top_n=4)

    assert result.as_numpy("item_ids__0").tolist() == [best_items(user, 4) for user in users]


@pytest.mark.parametrize("top_n", [0, 1, CATALOGUE])
def test_returns_the_requested_number_of_items(client: Client, top_n: int) -> None:
    assert client.ask([5], top_n=top_n).as_numpy("item_ids__0").shape == (1, top_n)


def test_returns_only_the_requested_outputs(client: Client) -> None:
    result = client.ask([5], outputs=["scores__1"])

    assert result.as_numpy("item_ids__0") is None
    assert result.as_numpy("scores__1").shape == (1, 3)


def test_an_exception_of_the_model_fails_only_its_request(client: Client) -> None:
    with pytest.raises(Exception, match="this user breaks the model"):
        client.ask([BREAKS])

    assert client.ask([5]).as_numpy("item_ids__0").tolist() == [best_items(5, 3)]


def test_a_result_of_the_wrong_type_is_an_error(client: Client) -> None:
    with pytest.raises(Exception, match=r"item_ids__0: forward returned torch\.float32"):
        client.ask([5], model="baseline")


def test_concurrent_requests_of_different_shapes_get_their_own_answers(client: Client) -> None:
    sessions = [(-1,), (1, 2), (3,), (4, 5, 6), (7, 8), (-1,), (9, 10, 11), (12,)]

    with concurrent.futures.ThreadPoolExecutor(len(sessions)) as pool:
        if client.module is tritonclient.http:  # its clients belong to one thread each
            results = [client.ask([user], session=s) for user, s in enumerate(sessions)]
        else:
            results = list(pool.map(client.ask, [[u] for u in range(8)], [3] * 8, sessions))

    answers = [result.as_numpy("item_ids__0").tolist() for result in results]
    assert answers == [[best_items(user, 3, s)] for user, s in enumerate(sessions)]


def test_one_bad_request_does_not_fail_those_batched_with_it(server: TritonServer) -> None:
    users = [1, 2, BREAKS, 4, 5, 6]

    with (
        Client(tritonclient.grpc, server.grpc_url) as client,
        concurrent.futures.ThreadPoolExecutor(len(users)) as pool,
    ):
        futures = [pool.submit(client.ask, [user]) for user in users]
        failed = [future.exception() is not None for future in futures]

    assert failed == [user == BREAKS for user in users]


def test_a_repository_whose_model_does_not_match_its_configuration_is_rejected(
    tmp_path: Path,
) -> None:
    save(FaultyOnDemand(), tmp_path / "recommender")
    config = tmp_path / "recommender" / "config.pbtxt"
    config.write_text(config.read_text().replace('"top_n"', '"how_many"'))

    with pytest.raises(ClusterError, match="neither arguments of forward"), run_triton(tmp_path):
        pass


def test_no_process_outlives_the_context_even_if_the_server_is_killed(tmp_path: Path) -> None:
    save(FaultyOnDemand(), tmp_path / "recommender")

    with run_triton(tmp_path) as running:
        group = running.process.pid
        assert len(group_members(group)) > 1  # the server and the interpreter of the instance
        running.process.kill()

    assert group_members(group) == []
