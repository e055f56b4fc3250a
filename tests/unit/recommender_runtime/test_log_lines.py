"""Lines of the log: whole, bounded, without secrets, and never a flood."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_runtime import log_lines
from recommender_runtime.log_lines import Flood, JsonFormatter, TextFormatter

SECRET = "s3cret-of-the-store"
#: Anything that a client can send, above all what terminals and collectors of logs react to.
NASTY = st.text(st.sampled_from('a\n\r\0\x1b\x7f\x85\u2028\u202e\ud800"\\{}é 🙂'), max_size=60)


def record(message: str, *args: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("a.logger", logging.INFO, __file__, 1, message, args, None)
    made.fields = fields
    return made


def failed(error: BaseException) -> logging.LogRecord:
    made = record("it failed")
    try:
        raise error
    except BaseException:
        made.exc_info = sys.exc_info()
    return made


@given(NASTY, NASTY)
def test_whatever_a_client_sends_is_one_line_of_json_with_its_value(
    message: str, value: str
) -> None:
    line = JsonFormatter({"model": "movies"}).format(record("got %s", message, request_id=value))
    assert line.isascii()
    assert line.isprintable()
    read = json.loads(line)
    assert (read["model"], read["level"], read["logger"]) == ("movies", "INFO", "a.logger")
    assert read["message"] == f"got {message}".strip()
    assert read["request_id"] == value


@given(NASTY, NASTY)
def test_whatever_a_client_sends_is_one_line_of_printable_text(message: str, value: str) -> None:
    line = TextFormatter().format(record("got %s", message, request_id=value))
    assert line.isprintable()


@given(NASTY)
def test_no_line_of_a_traceback_can_be_taken_for_another_record(message: str) -> None:
    first, *others = TextFormatter().format(failed(ValueError(f"x\n{message}"))).split("\n")
    assert first.endswith("a.logger: it failed")
    assert all(line.startswith("    ") and line.isprintable() for line in others)


@pytest.mark.parametrize(
    "formatter", [JsonFormatter({}, [SECRET]), TextFormatter([SECRET])], ids=["json", "text"]
)
def test_no_secret_is_in_message_field_or_traceback(formatter: logging.Formatter) -> None:
    given = [
        record(f"cannot connect with {SECRET}"),
        record("got %s", SECRET),
        record("m", url=f"redis://:{SECRET}@host", users=[SECRET], stages={"store": SECRET}),
        failed(ValueError(SECRET)),
    ]
    for each in given:
        line = formatter.format(each)
        assert SECRET not in line
        assert log_lines.REDACTED in line


@pytest.mark.parametrize("formatter", [JsonFormatter({}), TextFormatter()], ids=["json", "text"])
def test_a_line_is_bounded(formatter: logging.Formatter) -> None:
    long = "\x1b" * 1_000_000
    whole = failed(ValueError(long))
    whole.msg = long
    whole.fields = {"request_id": long, "users": [long] * 3 * log_lines.MAX_VALUES}
    # An escaped character has at most six.
    assert len(formatter.format(whole)) < 6 * (2_048 + 8_192 + 9 * 256) + 1_000


@pytest.mark.parametrize("formatter", [JsonFormatter({}), TextFormatter()], ids=["json", "text"])
def test_of_a_list_only_what_is_shown_becomes_text(formatter: logging.Formatter) -> None:
    made = []

    class Item:
        def __str__(self) -> str:
            made.append(self)
            return "item"

    line = formatter.format(record("m", items=[Item() for _ in range(1000)]))
    assert line.count("item") == 1 + log_lines.MAX_VALUES  # with the name of the field
    assert len(made) == log_lines.MAX_VALUES


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_equal_records_pass_in_a_burst_and_then_one_each_second() -> None:
    clock = Clock()
    flood = Flood(clock)
    passed = [flood.filter(record("answered %d", number)) for number in range(50)]
    assert passed == [True] * 10 + [False] * 40
    clock.now += 1
    later = record("answered %d", 50)
    assert flood.filter(later)
    assert log_lines.fields_of(later) == {"suppressed": 40}
    assert not flood.filter(record("answered %d", 51))


def test_other_records_are_not_held_back_nor_those_of_debug() -> None:
    flood = Flood(Clock())
    for _ in range(50):
        flood.filter(record("one"))
    assert flood.filter(record("another"))
    debug = record("one")
    debug.levelno = logging.DEBUG
    assert all(flood.filter(debug) for _ in range(50))


def test_texts_that_are_never_equal_do_not_grow_the_memory() -> None:
    flood = Flood(Clock())
    for number in range(10 * Flood.KINDS):
        flood.filter(record(f"one of many: {number}"))
    assert len(flood._kinds) == Flood.KINDS


def test_a_package_logs_at_its_level_and_libraries_only_warn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        log_lines.set_up("a_package", "DEBUG", "json", {"model": "movies"}, [SECRET, None])
        logging.getLogger("a_package.part").debug("heard %s", SECRET)
        logging.getLogger("a_library").info("not heard")
        logging.getLogger("a_library").warning("heard too")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in lines] == ["heard [redacted]", "heard too"]
