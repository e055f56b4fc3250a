"""Logs on stderr, one bounded line per record: JSON for machines, or text for people.

Transformer and collector share it. Whatever a client, a store or an exception puts into a record,
it can forge no line, and no fault fills a disk with equal lines.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping

from recommender_contract.logs import entry_of, printable, to_stderr

MAX_MESSAGE = 2_048  # characters
MAX_EXCEPTION = 8_192  # characters; its end says the most
MAX_FIELD = 256  # characters of a value
MAX_VALUES = 8  # of a field that is a list
REDACTED = "[redacted]"


class JsonFormatter(logging.Formatter):
    """One JSON object of ASCII characters per record."""

    def __init__(self, fields: Mapping[str, object], secrets: Iterable[str] = ()) -> None:
        """Create a formatter; each line has `fields`, and none has one of `secrets`."""
        super().__init__()
        self._fields = dict(fields)
        self._secrets = tuple(filter(None, secrets))

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line."""
        message = self._shown(record.getMessage().strip())[:MAX_MESSAGE]
        entry = entry_of(record, message) | self._fields
        for name, value in fields_of(record).items():
            entry[name] = bounded(value, self._secrets)
        if record.exc_info:
            entry["exception"] = self._shown(self.formatException(record.exc_info))[
                -MAX_EXCEPTION:
            ]
        return json.dumps(entry, default=str).replace("\x7f", "\\u007f")

    def _shown(self, text: str) -> str:
        return without(text, self._secrets)


class TextFormatter(logging.Formatter):
    """One line per record, with the traceback, if any, on indented lines below it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Create a formatter; no line has one of `secrets`."""
        super().__init__("%(asctime)s %(levelname)s %(name)s")
        self._secrets = tuple(filter(None, secrets))

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as lines of printable characters."""
        message = without(record.getMessage().strip(), self._secrets)[:MAX_MESSAGE]
        at = self.formatTime(record)
        line = f"{at} {record.levelname} {record.name}: {printable(message)}"
        for name, value in fields_of(record).items():
            shown = str(bounded(value, self._secrets))[:MAX_FIELD]
            line += f" {name}={printable(shown)}"
        if not record.exc_info:
            return line
        trace = without(self.formatException(record.exc_info), self._secrets)[-MAX_EXCEPTION:]
        return "\n    ".join([line, *map(printable, trace.splitlines())])


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields of a record, given as `extra={"fields": {...}}`."""
    fields = getattr(record, "fields", None)
    found = dict(fields) if isinstance(fields, Mapping) else {}
    suppressed = getattr(record, "suppressed", 0)
    return found | ({"suppressed": suppressed} if suppressed else {})


def bounded(value: object, secrets: Iterable[str]) -> object:
    """Return a value without these secrets, of which only what is shown becomes text."""
    match value:
        case bool() | int() | float() | None:
            return value
        case Mapping():
            return {str(key): bounded(each, secrets) for key, each in value.items()}
        case list() | tuple():
            return [bounded(each, secrets) for each in value[:MAX_VALUES]]
        case _:
            return without(str(value), secrets)[:MAX_FIELD]


def without(text: str, secrets: Iterable[str]) -> str:
    """Return a text without these secrets."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text


class Flood(logging.Filter):
    """Limits equal records: a burst of them, then one each second.

    Records are equal if logger, level and the text before its arguments are. The next record that
    passes says how many were `suppressed`. Records of DEBUG pass: who asks for them wants all.
    """

    BURST = 10
    KINDS = 256  # remembered; texts that are not constant must not grow the memory

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, int, str], _Allowance] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record passes."""
        if record.levelno <= logging.DEBUG:
            return True
        kind, now = (record.name, record.levelno, str(record.msg)), self._clock()
        allowance = self._kinds.pop(kind, None) or _Allowance(float(self.BURST), now)
        if len(self._kinds) >= self.KINDS:
            del self._kinds[next(iter(self._kinds))]
        self._kinds[kind] = allowance
        suppressed = allowance.take(now, self.BURST)
        if suppressed is None:
            return False
        record.suppressed = suppressed
        return True


class _Allowance:
    """How many records of a kind may pass at once; one more each second."""

    def __init__(self, left: float, at: float) -> None:
        self._left = left
        self._at = at
        self._suppressed = 0

    def take(self, now: float, burst: int) -> int | None:
        """Return how many were suppressed since the last that passed; None if this one is."""
        self._left = min(burst, self._left + now - self._at)
        self._at = now
        if self._left < 1:
            self._suppressed += 1
            return None
        self._left -= 1
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed


def set_up(
    package: str,
    level: str,
    form: str,
    fields: Mapping[str, object] | None = None,
    secrets: Iterable[str | None] = (),
) -> None:
    """Send the logs of a package, and the warnings of libraries, to stderr.

    Each JSON line has `fields`; no line has one of `secrets`.
    """
    kept = [secret for secret in secrets if secret]
    formatter = JsonFormatter(fields or {}, kept) if form == "json" else TextFormatter(kept)
    to_stderr(formatter, {"": "WARNING", package: level}).addFilter(Flood())
