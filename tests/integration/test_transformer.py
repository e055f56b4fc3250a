"""The transformer process in front of a real Triton, as clients and the kubelet see it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from tests.cluster.triton import TritonServer, run_triton
from tests.integration.toy_models import BREAKS, EMPTY, MISSHAPEN, NOT_FINITE, SLOW
from tests.integration.transformer_calls import (
    PREDICT,
    SESSION,
    Traffic,
    counted,
    in_flight,
    infer,
)
from tests.integration.transformer_rig import (
    VERSION,
    Running,
    run_transformer,
    until,
    write_artifact,
)
from tests.ports import free_ports

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    write_artifact(folder)
    return folder


@pytest.fixture(scope="module")
def triton(artifact: Path) -> Iterator[TritonServer]:
    with run_triton(artifact / "repository") as server:
        yield server


@pytest.fixture(scope="module")
def transformer(
    artifact: Path, triton: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("log") / "transformer.log"
    with run_transformer(artifact, triton.grpc_url, log) as running:
        yield running


def test_a_known_user_gets_the_models_items_without_those_of_the_session(
    transformer: Running,
) -> None:
    with (
        counted(transformer, "recommender_requests_total", outcome="ok"),
        counted(transformer, "recommender_answers_total", source="model"),
        counted(transformer, "recommender_sessions_total"),
        counted(transformer, "recommender_request_duration_seconds_count"),
        counted(transformer, "recommender_fallbacks_total", 0, reason="error"),
    ):
        answer = transformer.ask(user_id=0, session=SESSION, top_n=3)
    assert answer["items"] == [47, 46, 45]
    assert answer["scores"] == pytest.approx([0.94, 0.92, 0.90])
    assert (answer["source"], answer["version"]) == ("model", VERSION)


@pytest.mark.parametrize("user", [-1, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("session", [[], SESSION])
def test_an_unknown_user_is_answered_by_the_model(
    transformer: Running, user: int, session: list[dict[str, int]]
) -> None:
    answer = transformer.ask(user_id=user, session=session)
    assert (len(answer["items"]), answer["source"]) == (10, "model")


@pytest.mark.parametrize(
    ("wish", "items"),
    [
        ({"user_id": 0, "candidate_items": [3, 40, 7]}, [40, 7, 3]),
        ({"user_id": 0, "excluded_items": [49, 47]}, [48, 46, 45]),
        ({"user_id": 0, "deny": {"genre": ["action"]}}, [49, 47, 46]),
        ({"seed_items": [49]}, [0, 48, 47]),
    ],
)
def test_the_answer_has_the_items_that_are_wanted(
    transformer: Running, wish: dict[str, Any], items: list[int]
) -> None:
    with (
        counted(transformer, "recommender_answers_total", source="model"),
        counted(transformer, "recommender_sessions_total", 0),
    ):
        assert transformer.ask(**wish, top_n=3)["items"] == items


@pytest.mark.parametrize("top_n", [1, 20])
def test_the_answer_has_the_requested_number_of_items(transformer: Running, top_n: int) -> None:
    assert len(transformer.ask(user_id=1, top_n=top_n)["items"]) == top_n


@pytest.mark.parametrize(
    ("instance", "remedy"),
    [
        (
            {"user_id": 1, "top_n": 0},
            "instances[0].top_n: got 0; give a whole number from 1 to 20",
        ),
        ({"user_id": 1, "top_n": 21}, "from 1 to 20"),
        ({"user_id": "1"}, "64-bit"),
        ({}, "user_id"),
        ({"user_id": 1, "timestamp": 1764000000000}, "not milliseconds"),
        ({"user_id": 1, "age": 30}, "instances[0].age: got 30; did you mean user.age?"),
    ],
)
def test_a_bad_request_gets_400_and_counts_only_as_invalid(
    transformer: Running, instance: dict[str, Any], remedy: str
) -> None:
    with (
        counted(transformer, "recommender_requests_total", outcome="invalid"),
        counted(transformer, "recommender_requests_total", 0, outcome="error"),
        counted(transformer, "recommender_request_duration_seconds_count", 0),
    ):
        status, body = transformer.post(PREDICT, {"instances": [instance]})
    assert status == 400
    assert remedy in body["error"]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_tritonclient_gets_recommendations(transformer: Running, protocol: str) -> None:
    with (
        counted(transformer, "recommender_requests_total", outcome="ok"),
        counted(transformer, "recommender_feature_values_total", feature="age", bin="1"),
        counted(transformer, "recommender_feature_values_total", feature="gender", bin="1"),
        counted(transformer, "recommender_feature_values_total", feature="mean_value", bin="1"),
        counted(transformer, "recommender_feature_values_total", feature="last_genre", bin="0"),
    ):
        result = infer(
            transformer,
            protocol,
            user_id=[0],
            session_items=[49, 48],
            session_timestamps=[1, 2],
            session_values=[4.0, 5.0],
            age=[30.0],
            gender=["M"],
            occupation=["student"],
            timestamp=[10],
            top_n=[3],
            session_id=[f"by-{protocol}"],
        )
    assert result.as_numpy("item_ids").tolist() == [47, 46, 45]
    assert result.as_numpy("scores").tolist() == pytest.approx([0.94, 0.92, 0.90])
    assert result.as_numpy("source").tolist() == [b"model"]
    assert result.as_numpy("version").tolist() == [VERSION.encode()]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_tritonclient_gets_the_reason_of_an_error(transformer: Running, protocol: str) -> None:
    with (
        counted(transformer, "recommender_requests_total", outcome="invalid"),
        pytest.raises(InferenceServerException, match="top_n: got 99; give a whole number"),
    ):
        infer(transformer, protocol, user_id=[1], top_n=[99])


def test_tritonclient_sees_readiness(transformer: Running) -> None:
    with tritonclient.grpc.InferenceServerClient(transformer.grpc) as client:
        assert client.is_server_ready()
        assert client.is_model_ready("recommender")


@pytest.mark.parametrize(
    ("user", "reason"),
    [(BREAKS, "error"), (NOT_FINITE, "nonfinite"), (EMPTY, "empty"), (MISSHAPEN, "shape")],
)
def test_the_baseline_answers_for_a_failing_model_and_the_fallback_is_counted(
    transformer: Running, user: int, reason: str
) -> None:
    with (
        counted(transformer, "recommender_fallbacks_total", reason=reason),
        counted(transformer, "recommender_answers_total", source="baseline"),
        counted(transformer, "recommender_requests_total", outcome="ok"),
        counted(transformer, "recommender_requests_total", 0, outcome="error"),
        counted(transformer, "recommender_feature_values_total", feature="top_score", bin="null"),
    ):
        answer = transformer.ask(user_id=user, session=SESSION, top_n=2)
    assert (answer["items"], answer["source"]) == ([47, 46], "baseline")


def test_the_baseline_answers_for_a_slow_model_in_time_and_the_model_is_used_again_later(
    artifact: Path, triton: TritonServer, tmp_path: Path
) -> None:
    flags = ("--timeout-ms", "150")
    with run_transformer(artifact, triton.grpc_url, tmp_path / "log", *flags) as running:
        with (
            counted(running, "recommender_fallbacks_total", reason="timeout"),
            counted(running, "recommender_answers_total", source="baseline"),
        ):
            assert running.ask(user_id=SLOW)["source"] == "baseline"
        until(lambda: running.ask(user_id=1)["source"] == "model", "used again")


def test_a_session_counts_once_however_many_requests_it_has(transformer: Running) -> None:
    with (
        counted(transformer, "recommender_sessions_total", 2),
        counted(transformer, "recommender_feature_values_total", 2, feature="age", bin="0"),
    ):
        for name in ("one", "two", "one", "two", "one"):
            transformer.ask(user_id=1, user={"age": 10}, session_id=name)


def test_requests_are_not_logged(transformer: Running) -> None:
    before = transformer.log.read_text()
    for _ in range(20):
        transformer.ask(user_id=1)
        infer(transformer, "grpc", user_id=[1])
        transformer.post(PREDICT, {"instances": [{}]})
    assert transformer.log.read_text() == before


def model_ready(running: Running) -> bool:
    """Whether the model answers, and not a fallback."""
    return running.get("/v2/models/recommender/ready")[0] == 200


def test_no_request_fails_when_triton_dies_under_load_and_the_model_recovers(
    artifact: Path, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    flag = f"--grpc-port={port}"
    repository = artifact / "repository"
    with run_transformer(artifact, f"127.0.0.1:{port}", tmp_path / "log", wait=False) as running:
        with run_triton(repository, flag) as server:
            until(running.ready, "ready", running.process)
            with Traffic(running) as traffic:
                traffic.reach("model")
                server.process.kill()
                traffic.reach("popularity", 200)
                until(lambda: not model_ready(running), "model unready")
                assert running.ready()  # its fallbacks answer
        falls = sum(
            running.metric("recommender_fallbacks_total", reason=reason)
            for reason in ("error", "timeout")
        )
        assert traffic.failures == []
        assert falls == traffic.answers.count("popularity") + traffic.answers.count("baseline")
        assert running.metric("recommender_requests_total", outcome="error") == 0
        with run_triton(repository, flag):
            until(lambda: model_ready(running), "model ready again", running.process)
            until(lambda: running.ask(user_id=1)["source"] == "model", "used again")


def test_before_triton_is_ready_the_transformer_is_live_and_unready_but_answers(
    artifact: Path, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    with run_transformer(artifact, f"localhost:{port}", tmp_path / "log", wait=False) as running:
        until(lambda: alive(running), "alive", running.process)
        for path in ("/v2/health/ready", "/v2/models/recommender/ready", "/v1/models/recommender"):
            assert running.get(path)[0] == 503
        assert running.ask(user_id=1)["source"] == "popularity"
        with run_triton(artifact / "repository", f"--grpc-port={port}"):
            until(running.ready, "ready", running.process)
            assert running.ask(user_id=1)["source"] == "model"


def alive(running: Running) -> bool:
    with contextlib.suppress(OSError):
        return running.get("/v2/health/live")[0] == 200
    return False


def test_sigterm_under_load_loses_no_request(
    artifact: Path, triton: TritonServer, tmp_path: Path
) -> None:
    with run_transformer(
        artifact, triton.grpc_url, tmp_path / "log", "--drain-seconds", "2"
    ) as running:
        with Traffic(running) as traffic:
            traffic.reach("model")
            running.process.send_signal(signal.SIGTERM)
            # The kubelet sees it unready and its routes are removed while requests still arrive.
            until(lambda: running.get("/v2/health/ready")[0] == 503, "unready")
            traffic.reach("model")
        assert traffic.failures == []
        assert running.process.wait(120) == 0


def test_sigterm_waits_for_a_request_in_flight(
    artifact: Path, triton: TritonServer, tmp_path: Path
) -> None:
    flags = ("--drain-seconds", "0")
    with run_transformer(artifact, triton.grpc_url, tmp_path / "log", *flags) as running:
        answers: list[str] = []
        rest = threading.Thread(target=lambda: answers.append(running.ask(user_id=SLOW)["source"]))
        grpc = threading.Thread(
            target=lambda: answers.append(
                infer(running, "grpc", user_id=[SLOW]).as_numpy("source")[0].decode()
            )
        )
        rest.start()
        grpc.start()
        until(lambda: in_flight(running) == 2, "in flight")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(120) == 0
        rest.join(60)
        grpc.join(60)
        assert answers == ["model", "model"]


def serve(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recommender_serving", "serve", "--model", "m"]
    return subprocess.run(
        [*command, "--version", "v", *flags],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_port_in_use_ends_the_process_with_a_message(
    artifact: Path, transformer: Running
) -> None:
    taken = transformer.http.rsplit(":", 1)[1]
    (free,) = free_ports(1)
    ended = serve("--artifact", str(artifact), "--http-port", taken, "--grpc-port", str(free))
    assert ended.returncode == 1
    assert "in use" in ended.stderr
    assert taken in ended.stderr


def test_a_broken_artifact_ends_the_process_and_names_the_file_without_a_stack_trace(
    tmp_path: Path,
) -> None:
    (tmp_path / "vocabulary.json").write_text("{}")
    ended = serve("--artifact", str(tmp_path))
    assert ended.returncode == 1
    assert "vocabulary.json" in ended.stderr
    assert "Traceback" not in ended.stderr
