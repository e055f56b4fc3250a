"""Validate single values of a request; each problem names the field, the value and the remedy.

The JSON of a body is decoded here too, for all protocols.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, field

import orjson

from recommender_contract import ids
from recommender_contract.ids import INTEGERS, IdKind, IdKinds
from recommender_serving.protocols.errors import InvalidRequest

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
LATEST_TIMESTAMP = 4_102_444_800  # 2100-01-01; milliseconds since 1971 are above it
EARLIEST_PAST = -62_135_596_800  # the year 1
MAX_CATEGORY = 64  # characters
MAX_SESSION_ID = 128
MAX_VALUE = 1e6
MAX_REPORTED = 8


@dataclass(slots=True)
class Problems:
    """Collects the problems of a request; a method returns None for a bad or absent value.

    `kinds` are the types of the version's ids; a text id becomes its hash.
    """

    kinds: IdKinds = INTEGERS
    found: list[str] = field(default_factory=list)

    def add(self, name: str, value: object, remedy: str) -> None:
        """Add a problem; the value is shortened."""
        self.found.append(f"{name}: got {shortened(value)}; {remedy}")

    @property
    def full(self) -> bool:
        """True if validation should stop: a hostile body must not be parsed completely."""
        return len(self.found) >= MAX_REPORTED

    def report(self, instances: int = 1) -> None:
        """Raise InvalidRequest if there are problems."""
        if not self.found:
            return
        rest = ["More problems may follow"] if self.full else []
        raise InvalidRequest(". ".join([*self.found[:MAX_REPORTED], *rest]), instances)

    def integer(self, name: str, value: object, low: int, high: int, remedy: str) -> int | None:
        """Accept an integer within bounds, but no bool and no 3.0."""
        if value is None:
            return None
        if type(value) is int and low <= value <= high:
            return value
        self.add(name, value, remedy)
        return None

    def user(self, name: str, value: object) -> int | None:
        """Accept a user id: any 64-bit integer, or a text."""
        if self.kinds.user is IdKind.TEXT:
            return self._hashed(name, value)
        return self._number(name, value)

    def item(self, name: str, value: object) -> int | None:
        """Accept an item id; -1 is reserved for the padding of sessions."""
        if self.kinds.item is IdKind.TEXT:
            return self._hashed(name, value)
        if value == -1:
            self.add(
                name, value, "-1 is reserved for the padding that the server adds: leave it out"
            )
            return None
        return self._number(name, value)

    def _number(self, name: str, value: object) -> int | None:
        remedy = "give a whole number in the range of a signed 64-bit integer"
        return self.integer(name, value, INT64_MIN, INT64_MAX, remedy)

    def _hashed(self, name: str, value: object) -> int | None:
        if value is None:
            return None
        remedy = ids.fault(value)
        if remedy is not None:
            self.add(name, value, remedy)
            return None
        assert isinstance(value, str | bytes)
        return ids.hashed(value.decode() if isinstance(value, bytes) else value)

    def timestamp(self, name: str, value: object) -> int | None:
        """Accept seconds; a common mistake is milliseconds."""
        remedy = "give whole seconds since 1970 (not milliseconds), before the year 2100"
        return self.integer(name, value, 0, LATEST_TIMESTAMP, remedy)

    def past(self, name: str, value: object) -> int | None:
        """Accept the seconds of a feature, which may be before 1970."""
        remedy = "give whole seconds since 1970 (not milliseconds), from the year 1 to 2100"
        return self.integer(name, value, EARLIEST_PAST, LATEST_TIMESTAMP, remedy)

    def number(
        self, name: str, value: object, low: float, high: float, remedy: str
    ) -> float | None:
        """Accept a finite number within bounds, but no bool."""
        if value is None:
            return None
        if type(value) in (int, float) and low <= value <= high:  # type: ignore[operator]
            return float(value)  # type: ignore[arg-type]
        self.add(name, value, remedy)
        return None

    def event_value(self, name: str, value: object) -> float | None:
        """Accept the value of an event, such as a rating."""
        remedy = f"give a finite number from {-MAX_VALUE:.0f} to {MAX_VALUE:.0f}"
        return self.number(name, value, -MAX_VALUE, MAX_VALUE, remedy)

    def text(self, name: str, value: object, longest: int) -> str | None:
        """Accept a string of 1 to `longest` characters; bytes must be UTF-8."""
        remedy = f"give a string of 1 to {longest} characters"
        if value is None:
            return None
        if isinstance(value, bytes):
            try:
                value = value.decode()
            except UnicodeDecodeError:
                self.add(name, value, "give UTF-8")
                return None
        if isinstance(value, str) and 1 <= len(value) <= longest:
            return value
        self.add(name, value, remedy)
        return None


def parse_json(body: bytes) -> object:
    """Return the JSON of a body.

    Raises:
        InvalidRequest: it is not valid JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from None


def number_text(value: float) -> str:
    """Return a number as people write it: 18 rather than 18.0."""
    return str(int(value)) if abs(value) < 1e15 and value.is_integer() else repr(value)


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60


def shortened(value: object) -> str:
    """Return the repr of a value, short however large or deep the value is."""
    return _short.repr(value)
