"""The transformer process in front of a real Triton, for a version whose ids are texts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tritonclient.utils import InferenceServerException

from tests.cluster.triton import run_triton
from tests.integration.transformer_calls import PREDICT, counted, infer
from tests.integration.transformer_rig import Running, run_transformer, write_text_artifact
from tests.unit.recommender_serving.serving_samples import TEXTS

pytestmark = pytest.mark.integration
SEEN, LEFT = TEXTS[:2], TEXTS[2:]


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("texts")
    write_text_artifact(folder / "artifact")
    with (
        run_triton(folder / "artifact" / "repository") as triton,
        run_transformer(folder / "artifact", triton.grpc_url, folder / "log") as running,
    ):
        yield running


def test_v1_accepts_text_ids_and_returns_text_ids_of_items(transformer: Running) -> None:
    session = [{"item": text} for text in SEEN]
    answer = transformer.ask(user_id="naïve-ß", session=session, top_n=len(LEFT))
    assert (answer["items"], answer["source"]) == (LEFT, "model")


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_tritonclient_sends_and_receives_text_ids(transformer: Running, protocol: str) -> None:
    result = infer(transformer, protocol, user_id=["日本"], session_items=SEEN, top_n=[len(LEFT)])
    assert [item.decode() for item in result.as_numpy("item_ids")] == LEFT
    with pytest.raises(InferenceServerException, match="send it as BYTES: the ids of this"):
        infer(transformer, protocol, user_id=[1])


def test_a_number_in_place_of_a_text_id_gets_400_and_counts_as_invalid(
    transformer: Running,
) -> None:
    with counted(transformer, "recommender_requests_total", outcome="invalid"):
        status, body = transformer.post(PREDICT, {"instances": [{"user_id": 1}]})
    assert status == 400
    assert "instances[0].user_id: got 1; give a text" in body["error"]
