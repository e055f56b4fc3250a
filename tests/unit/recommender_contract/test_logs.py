"""Lines of the log, one per record and without secrets."""

from __future__ import annotations

import json
import logging
import sys

from recommender_contract import logs


def test_a_json_log_line_is_one_object_without_secrets() -> None:
    record = logging.LogRecord(
        "x", logging.INFO, "f", 1, "sent token=%s\nnext", ("hunter2",), None
    )
    record.model = "movies"
    line = logs.JsonFormatter().format(record)
    entry = json.loads(line)
    assert "\n" not in line
    assert (entry["message"], entry["model"]) == ("sent token=[redacted]\nnext", "movies")


def test_an_exception_is_logged_in_both_forms() -> None:
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "bad", (), sys.exc_info())
    for formatter in (logs.JsonFormatter(), logs.TextFormatter()):
        line = formatter.format(record)
        assert "ValueError" in line
        assert "hunter2" not in line


def test_no_text_of_a_pod_can_forge_a_line_of_the_log() -> None:
    forged = "bad\n2026-11-27 INFO x: all is well\x1b[2J\u2028"
    record = logging.LogRecord("x", logging.INFO, "f", 1, "the pod said %s", (forged,), None)
    first, *others = logs.TextFormatter().format(record).split("\n")
    assert first.endswith("x: the pod said bad")
    assert others
    assert all(line.startswith("    ") and line.isprintable() for line in others)
