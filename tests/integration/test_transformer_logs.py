"""The log of a transformer process."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from tests.integration.transformer_calls import PREDICT
from tests.integration.transformer_rig import VERSION, run_transformer, write_artifact

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    write_artifact(folder)
    return folder


def test_a_fallback_is_one_line_of_json_with_its_request_and_without_its_user(
    artifact: Path, tmp_path: Path
) -> None:
    user = 987_654_321
    flags = ("--model-wait-seconds", "0")
    with run_transformer(artifact, "127.0.0.1:1", tmp_path / "log", *flags) as running:
        body = json.dumps({"instances": [{"user_id": user}]}).encode()
        headers = {"x-request-id": "page-7", "traceparent": f"00-{'4b' * 16}-{'0f' * 8}-01"}
        for _ in range(50):
            call = urllib.request.Request(running.http + PREDICT, body, headers)
            urllib.request.urlopen(call, timeout=60).close()
    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    found = [line for line in lines if line["message"] == "fallback answered"]
    # A burst, and at most one each second.
    assert 10 <= len(found) < 50
    assert {line["version"] for line in lines} == {VERSION}
    (first, *_) = found
    assert (first["request_id"], first["trace_id"]) == ("page-7", "4b" * 16)
    assert first["sources"] == ["popularity"]
    assert first["falls"] == ["baseline: error", "model: error"]
    assert {"model", "baseline"} <= set(first["stages"])
    assert str(user) not in running.log.read_text()
