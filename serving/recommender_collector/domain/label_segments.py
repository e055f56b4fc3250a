"""The features that divide the predictions of an impression, as a request gives them: pure."""

from __future__ import annotations

from recommender_collector.domain.checks import InvalidEvent, segments_of
from recommender_collector.domain.declaration import Model
from recommender_contract.events import Kind

FIELD = "labelSegments"


def label_segments_of(
    value: object, kind: Kind, model: Model
) -> tuple[tuple[str, str], ...] | None:
    """Return the declared features with their values, sorted; None if nothing is divided by them.

    They are checked and dropped if the events do not show the declared label. Features without
    `fairness` are dropped too: the log keeps nothing of a user that nobody asked for.

    Raises:
        InvalidEvent: they are no short texts, too many, or the event is no impression.
    """
    if value is None:
        return None
    if kind is not Kind.IMPRESSION:
        raise InvalidEvent(
            FIELD, value, f"only an impression has them: leave them out of a {kind}"
        )
    try:
        found = segments_of(value)
    except ValueError as error:
        raise InvalidEvent(FIELD, value, str(error)) from None
    if model.outcome is None:
        return None
    return tuple(each for each in found if each[0] in model.told_segments) or None
