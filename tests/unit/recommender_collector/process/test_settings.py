"""Settings of both commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_collector.process.settings import (
    ServeSettings,
    WriteSettings,
    parse,
)
from recommender_runtime.settings import SettingsError

STORE = {
    "RECOMMENDER_STORE_URL": "redis://store:6379/0",
    "RECOMMENDER_ADMIN_TOKEN_FILE": "/etc/token",
}
CLIENT = {"driver_info": None}


def test_serve_has_defaults() -> None:
    found = parse(["serve", "--declaration", "c.json"], STORE)
    assert isinstance(found, ServeSettings)
    assert (found.port, found.admin_port, found.drain, found.grace) == (8080, 9090, 5, 10)
    assert found.declaration == Path("c.json")
    assert (found.store.durable, found.store.access.options, found.user_key) == (
        False,
        CLIENT,
        None,
    )


def test_write_keeps_files_forever_by_default() -> None:
    found = parse(["write", "--declaration", "c.json", "--files", "/data"], STORE)
    assert isinstance(found, WriteSettings)
    assert (found.files, found.flush_seconds, found.files_keep_seconds) == (
        Path("/data"),
        300,
        None,
    )
    found = parse(["write", "--declaration", "c", "--retention-days", "2"], STORE)
    assert isinstance(found, WriteSettings)
    assert (found.files, found.files_keep_seconds) == (None, 172_800)


KAFKA = {"RECOMMENDER_KAFKA_BROKERS": "kafka:9092"}


@pytest.mark.parametrize(
    ("flags", "environ", "targets"),
    [
        ([], STORE, ["store"]),
        (["--files", "/data"], STORE, ["store", "lake"]),
        (["--files", "/data"], STORE | KAFKA, ["store", "lake", "relay"]),
    ],
)
def test_a_writer_has_series_of_what_it_writes_alone(
    flags: list[str], environ: dict[str, str], targets: list[str]
) -> None:
    found = parse(["write", "--declaration", "c.json", *flags], environ)
    assert isinstance(found, WriteSettings)
    assert list(found.targets) == targets


def test_secrets_come_from_the_environment_and_are_never_shown(tmp_path: Path) -> None:
    for name, text in (("PASSWORD", "pa55\nthe-next-one\n"), ("KEY", "k" * 16 + "\n")):
        (tmp_path / name).write_text(text)
    secrets = {
        "RECOMMENDER_STORE_USER": "writer",
        "RECOMMENDER_STORE_PASSWORD_FILE": str(tmp_path / "PASSWORD"),
        "RECOMMENDER_USER_KEY_FILE": str(tmp_path / "KEY"),
    }
    found = parse(["serve", "--declaration", "c.json"], {**STORE, **secrets})
    assert isinstance(found, ServeSettings)
    assert (found.store.access.secrets, found.user_key) == (("pa55",), b"k" * 16)
    assert "pa55" not in repr(found.store)
    assert "kkkk" not in repr(found)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "RECOMMENDER_STORE_URL"),
        ({"RECOMMENDER_STORE_URL": "http://store"}, "RECOMMENDER_STORE_URL"),
        ({"RECOMMENDER_STORE_URL": "redis://"}, "RECOMMENDER_STORE_URL"),
        ({"RECOMMENDER_STORE_URL": "redis://:pa55@store"}, "RECOMMENDER_STORE_PASSWORD_FILE"),
        ({**STORE, "RECOMMENDER_STORE_PASSWORD": "pa55"}, "RECOMMENDER_STORE_PASSWORD_FILE"),
        ({**STORE, "RECOMMENDER_STORE_USER": "writer"}, "RECOMMENDER_STORE_PASSWORD_FILE"),
        ({**STORE, "RECOMMENDER_STORE_CA": "/ca"}, "rediss://"),
        ({**STORE, "RECOMMENDER_USER_KEY": "pa55"}, "RECOMMENDER_USER_KEY_FILE"),
        ({**STORE, "RECOMMENDER_USER_KEY_FILE": "/none"}, "RECOMMENDER_USER_KEY_FILE"),
        ({**STORE, "RECOMMENDER_STORE_DURABLE": "maybe"}, "RECOMMENDER_STORE_DURABLE"),
        ({**STORE, "RECOMMENDER_LOG_LEVEL": "LOUD"}, "RECOMMENDER_LOG_LEVEL"),
    ],
)
def test_a_wrong_variable_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        parse(["serve", "--declaration", "c.json"], environ)
    assert "pa55" not in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--port", "9090"], "--port and --admin-port are both 9090"),
        (["--port", "9091"], "--port and --metrics-port are both 9091"),
        (["--metrics-port", "9090"], "--admin-port and --metrics-port are both 9090"),
    ],
)
def test_one_port_cannot_serve_two(flags: list[str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        parse(["serve", "--declaration", "c.json", *flags], STORE)


def test_nobody_serves_an_admin_port_without_a_token() -> None:
    without = {"RECOMMENDER_STORE_URL": STORE["RECOMMENDER_STORE_URL"]}
    with pytest.raises(SettingsError, match="RECOMMENDER_ADMIN_TOKEN_FILE is not set"):
        parse(["serve", "--declaration", "c.json"], without)
    assert isinstance(parse(["write", "--declaration", "c.json"], without), WriteSettings)


@pytest.mark.parametrize(
    "option",
    [["--port", "0"], ["--port", "65536"], ["--user-days", "0"], ["--grace-seconds", "-1"]],
)
def test_a_value_out_of_range_is_refused(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["serve", "--declaration", "c.json", *option], STORE)
    assert caught.value.code == 2
    assert "give" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--grace-seconds", "3601"], "3601 is out of range: give 0 to 3600 seconds"),
        (["--user-days", "0.5"], "0.5 is out of range: give 1 to 3650 days"),
        (["--user-events", "1000001"], "out of range: give 0 to 1000000 events"),
        (["--user-days", "nan"], "nan is out of range"),
        (["--user-days", "many"], "invalid number of days value: 'many'"),
    ],
)
def test_a_wrong_number_is_told_with_its_range_and_unit(
    option: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(["serve", "--declaration", "c.json", *option], STORE)
    assert said in capsys.readouterr().err
