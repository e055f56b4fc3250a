"""Lines as messages of Kafka, and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.lines import digest, line_of
from recommender_collector.log import kafka_records
from recommender_collector.log.kafka_records import Message, partition_key
from recommender_contract.events import Kind

TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)
USERS = st.integers(0, 2**60) | TEXTS


@given(USERS, TEXTS)
def test_an_event_and_the_erasure_of_its_user_are_in_one_partition(
    user: int | str, id_: str
) -> None:
    line = line_of(Event(id_, Kind.CLICK, user, ("tea",), 1000))
    assert partition_key(line) == partition_key(line_of(Erasure(user))) == str(user).encode()
    assert kafka_records.line_of("t", Message(0, 1, 2, line)) == (digest(id_), line)


def test_no_event_has_the_id_of_an_erasure() -> None:
    line = line_of(Erasure("ada"))
    found = [kafka_records.line_of("t", Message(0, offset, 2, line)) for offset in (1, 2)]
    assert len({each.digest for each in found}) == 2
    assert digest("t 0 1") not in {each.digest for each in found}
