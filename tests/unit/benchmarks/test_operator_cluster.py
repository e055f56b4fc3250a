"""How the simulated controllers of the benchmark of a fleet update statuses."""

from __future__ import annotations

import asyncio
import json
import types
from typing import Any

import pytest

from recommender_operator.adapters.kubernetes.port import (
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    PODS,
    KubeError,
    Object,
    Resource,
)
from tests.benchmarks.operator_cluster import TRIES, Serving, Simulator


def thing(generation: int = 1, revision: str = "1", uid: str = "uid-1") -> Object:
    metadata = {
        "namespace": "team",
        "name": "movies",
        "uid": uid,
        "generation": generation,
        "resourceVersion": revision,
        "managedFields": [{"manager": "other"}],
    }
    return {"metadata": metadata, "status": {"kept": 1}}


class Server:
    """Answers each PUT with the next status, and each read with the next object."""

    def __init__(self, statuses: list[int], found: list[Object | None]) -> None:
        self._statuses, self._found = iter(statuses), iter(found)
        self.bodies: list[Object] = []

    async def request(self, _method: str, _path: str, _query: Any, body: Object) -> Any:
        self.bodies.append(body)
        data = json.dumps(body).encode()
        return types.SimpleNamespace(status=next(self._statuses), data=data)

    async def get(self, *_place: object) -> Object | None:
        return next(self._found)


def simulator(server: Server) -> Simulator:
    made = Simulator.__new__(Simulator)
    made._transport = made._kube = server  # type: ignore[assignment]
    made._ended = set()
    return made


@pytest.mark.parametrize(
    ("kind", "found", "tries"),
    [
        (JOBS, thing(2, "2"), 2),
        (HTTP_ROUTES, thing(1, "2"), 2),
        (HTTP_ROUTES, thing(2, "2"), 1),
        (JOBS, thing(1, "2", uid="uid-2"), 1),
        (JOBS, None, 1),
    ],
)
async def test_after_a_conflict_only_the_same_object_is_tried_again_and_a_route_as_it_was(
    kind: Resource, found: Object | None, tries: int
) -> None:
    server = Server([409, 200], [found])
    answer = await simulator(server)._update(kind, thing(), {"new": 2})
    assert len(server.bodies) == tries
    if tries == 2:
        assert answer["status"] == {"kept": 1, "new": 2}
        assert answer["metadata"]["resourceVersion"] == "2"
        assert "managedFields" not in answer["metadata"]


async def test_an_update_without_success_is_printed_unless_the_object_is_gone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for statuses in ([500], [409] * TRIES):
        server = Server(statuses, [thing() for _ in statuses])
        await simulator(server)._update(JOBS, thing(), {})
        assert f"movies/status: {statuses[0]}" in capsys.readouterr().out
    await simulator(Server([404], []))._update(JOBS, thing(), {})
    assert capsys.readouterr().out == ""


async def test_a_job_whose_end_failed_is_ended_at_the_next_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = simulator(Server([], []))

    async def fail(_job: Object) -> None:
        raise KubeError("the API server is away", status=500)

    monkeypatch.setattr(made, "_children", lambda kind, _key: [thing()] if kind == JOBS else [])
    monkeypatch.setattr(made, "_end", fail)
    with pytest.raises(KubeError):
        await made._one(("team", "movies"))
    assert made._ended == set()


async def test_two_looks_at_one_model_remove_the_parts_of_its_ended_services_once() -> None:
    deleted: list[str] = []

    class Kube:
        async def delete(self, _kind: Resource, _namespace: str, name: str, *, uid: str) -> None:
            deleted.append(f"{name}/{uid}")
            await asyncio.sleep(0)

    class Empty:
        store = types.SimpleNamespace(select=lambda *_labels: [])

    made = Simulator.__new__(Simulator)
    made._kube = Kube()  # type: ignore[assignment]
    made._informers = dict.fromkeys((JOBS, INFERENCE_SERVICES, HTTP_ROUTES), Empty())  # type: ignore[arg-type]
    closing = types.SimpleNamespace(close=lambda: None)
    key = ("team", "movies")
    made._serving = {
        key: {
            uid: Serving([(PODS, f"pod-{uid}", f"of-{uid}")], closing)  # type: ignore[arg-type]
            for uid in ("one", "two")
        }
    }
    await asyncio.gather(made._one(key), made._one(key))
    assert sorted(deleted) == ["pod-one/of-one", "pod-two/of-two"]
