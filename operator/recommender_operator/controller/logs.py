"""Logs on stderr, one line per record: JSON for machines, or text for people."""

from __future__ import annotations

import datetime
import json
import logging
import sys

from recommender_operator.controller.redaction import redacted

#: Attributes of a record that become JSON fields.
FIELDS = ("model", "namespace", "version", "reason", "seconds")


class JsonFormatter(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line without secrets."""
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        entry: dict[str, object] = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
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
        return "\n    ".join(map(_printable, (first, *others)))


def _printable(text: str) -> str:
    """Return a line with control characters escaped."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def set_up(level: str, form: str) -> None:
    """Send all logs to stderr; libraries log single requests only at DEBUG."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("kubernetes", "aiohttp.access", "asyncio"):
        logging.getLogger(chatty).setLevel("INFO" if level == "DEBUG" else "WARNING")
    # Every cause leads to the same reconcile, so Kopf's handler logs are not useful.
    logging.getLogger("kopf").setLevel("INFO" if level == "DEBUG" else "WARNING")
