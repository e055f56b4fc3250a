"""Logs on stderr, one line per record: JSON for machines, or text for people."""

from __future__ import annotations

import datetime
import json
import logging
import sys
from collections.abc import Iterable, Mapping

from recommender_contract.redaction import redacted

FORMATS = ("json", "text")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
#: Attributes of a record that become JSON fields.
FIELDS = ("model", "namespace", "version", "reason", "seconds")


def entry_of(record: logging.LogRecord, message: str) -> dict[str, object]:
    """Return the fields that the JSON line of every record starts with."""
    at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    return {
        "time": at.isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": message,
    }


def printable(text: str) -> str:
    """Return a text with line breaks and other control characters escaped."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


class JsonFormatter(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line without secrets."""
        entry = entry_of(record, redacted(record.getMessage()))
        for field in FIELDS:
            value = getattr(record, field, None)
            if value is not None:
                entry[field] = value
        if record.exc_info:
            entry["exception"] = redacted(self.formatException(record.exc_info))
        return json.dumps(entry, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """One line per record, with the traceback, if any, on indented lines below it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record without secrets; texts of pods cannot forge a line."""
        first, *others = redacted(super().format(record)).splitlines() or [""]
        return "\n    ".join(map(printable, (first, *others)))


def to_stderr(formatter: logging.Formatter, levels: Mapping[str, str]) -> logging.Handler:
    """Send all logs to stderr alone; `levels` has the least level of loggers, "" of all others."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.getLogger().handlers[:] = [handler]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    return handler


def set_up(level: str, form: str, libraries: Iterable[str]) -> None:
    """Send all logs to stderr; these libraries log single requests only at DEBUG."""
    quiet = "INFO" if level == "DEBUG" else "WARNING"
    to_stderr(
        JsonFormatter() if form == "json" else TextFormatter(),
        {"": level, **dict.fromkeys(libraries, quiet)},
    )
