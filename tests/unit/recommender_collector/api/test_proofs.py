"""Request ids that a transformer signed are proven, and stored without their proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_collector.api.callers import with_proofs
from recommender_collector.domain.file_rows import archive_line
from recommender_collector.domain.pseudonyms import Pseudonyms
from recommender_collector.domain.validation import Rules, event_of
from recommender_runtime.key_file import KeyFile
from recommender_serving.process.keys import signer
from tests.unit.recommender_collector.collector_samples import NOW, click, model, rules

KEYED = Pseudonyms(b"0123456789abcdef")


def counted(folder: Path, of: Rules | None = None) -> tuple[Rules, list[tuple[str, bool]]]:
    told: list[tuple[str, bool]] = []
    models = {"shop": of or rules()}
    found = with_proofs(models, KeyFile(folder / "signing"), lambda *result: told.append(result))
    return found["shop"], told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "signing").write_text("the-signing-key-of-the-release")
    return tmp_path


@pytest.mark.parametrize(("user", "proven"), [("ada", True), ("bob", False)])
def test_feedback_to_an_answer_is_proven_of_its_user_alone(
    user: str, proven: bool, folder: Path
) -> None:
    text = signer("shop", folder)("r-77", "ada")
    of, told = counted(folder)
    event = event_of(click(user=user, request=text), of, NOW)
    assert (event.request, event.proven) == ("r-77" if proven else text, proven)
    assert told == [("shop", proven)]
    assert b'"proven":' + (b"true" if proven else b"false") in archive_line(event)


def test_an_id_that_a_client_made_is_not_refused(folder: Path) -> None:
    of, told = counted(folder)
    event = event_of(click(request="r-77"), of, NOW)
    assert (event.request, event.proven, told) == ("r-77", False, [("shop", False)])
    assert event_of(click(), of, NOW).proven is None


def test_users_with_hashed_ids_are_those_of_the_models(folder: Path) -> None:
    """Requests have the hash of a user, and feedback may have the id."""
    of, _ = counted(folder, Rules(model(hashUsers=True), KEYED))
    text = signer("shop", folder)("r-77", KEYED("ada"))
    assert event_of(click(user="ada", request=text), of, NOW).proven is True


def test_without_a_key_nothing_is_signed_or_proven(tmp_path: Path) -> None:
    for folder in (tmp_path, None):
        assert signer("shop", folder)("r-77", "ada") == "r-77"
    of, told = counted(tmp_path)
    event = event_of(click(request="r-77~AAAAAAAAAAAAAAAAAAAAAA"), of, NOW)
    assert (event.request, event.proven, told) == ("r-77~AAAAAAAAAAAAAAAAAAAAAA", None, [])
    assert b"proven" not in archive_line(event)
