"""Refuse unknown names, with the name that was probably meant: pure.

Only `user_id` is required, so a misspelt `session` would otherwise give every user a cold-start
answer without notice.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from recommender_serving.domain.features import Feature, Features, Place
from recommender_serving.protocols.request_limits import INSTANCE_FIELDS
from recommender_serving.protocols.validation import Problems, number_text

MAX_LISTED = 12  # names of a message
MAX_GUESSES = 3  # problems with a close name; with many features a search takes milliseconds


def refuse_unknown(
    prefix: str, fields: Mapping[str, object], known: Sequence[str], problems: Problems
) -> None:
    """Add a problem for each field that is not known."""
    listing = f"the fields are {', '.join(known)}"
    for name, value in _unknown(fields, known, problems):
        meant = did_you_mean(name, {field: field for field in known}, problems)
        problems.add(f"{prefix}{name[:100]}", value, f"{meant}{listing}")


def refuse_unknown_fields(
    prefix: str, instance: Mapping[str, object], features: Features, problems: Problems
) -> None:
    """Add a problem for each unknown field of a v1 instance; it may be a feature."""
    listing = f"the fields are {', '.join(INSTANCE_FIELDS)}"
    for name, value in _unknown(instance, INSTANCE_FIELDS, problems):
        remedy = _remedy(name, features, listing, problems)
        problems.add(f"{prefix}{name[:100]}", value, remedy)


def refuse_feature(
    path: str, name: str, value: object, place: Place, features: Features, problems: Problems
) -> None:
    """Add a problem for a name in `user` or `context` that is not a feature of that place."""
    own = [each.name for each in features.values() if each.place is place and _given(each)]
    listing = f"the features of {place} are {short_list(own)}" if own else no_features(place)
    problems.add(path, value, _remedy(name, features, listing, problems))


def no_features(place: Place) -> str:
    """Return the remedy for a place without features."""
    return f"this version has no features of {place}: leave it out"


def fixed(feature: Feature) -> str:
    """Return the remedy for a feature that no request may give."""
    value = feature.served_as
    text = number_text(value) if isinstance(value, float) else value
    return f"it is set by the version (servedAs {text}): leave it out"


def refuse_unknown_tensor(
    name: str, value: object, known: Sequence[str], features: Features, problems: Problems
) -> None:
    """Add a problem for a v2 input that is not known; clients may write `user.<name>`."""
    feature = features.get(name)
    if feature is not None and not _given(feature):
        problems.add(name, value, fixed(feature))
        return
    paths = {each.path: each.name for each in features.values() if _given(each)}
    meant = did_you_mean(name, {each: each for each in known} | paths, problems)
    problems.add(name[:100], value, f"{meant}the inputs are {short_list(known)}")


def did_you_mean(name: str, meant: Mapping[str, str], problems: Problems) -> str:
    """Return the question whether the closest known name was meant; empty if none is close.

    `meant` has the text to show for each known name.
    """
    if name in meant:
        return f"did you mean {meant[name]}? "
    if len(problems.found) >= MAX_GUESSES:
        return ""
    close = difflib.get_close_matches(name[:100], meant, n=1)
    return f"did you mean {meant[close[0]]}? " if close else ""


def short_list(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    rest = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _remedy(name: str, features: Features, listing: str, problems: Problems) -> str:
    feature = features.get(name)
    if feature is not None and not _given(feature):
        return fixed(feature)
    paths = {each.name: each.path for each in features.values() if _given(each)}
    meant = {field: field for field in INSTANCE_FIELDS} | paths
    return did_you_mean(name, meant, problems) + listing


def _given(feature: Feature) -> bool:
    return feature.served_as is None


def _unknown(
    fields: Mapping[str, object], known: Sequence[str], problems: Problems
) -> Iterator[tuple[str, object]]:
    """Yield names that are not known and their values, until there are enough problems."""
    for name, value in fields.items():
        if problems.full:
            return
        if name not in known:
            yield str(name), value
