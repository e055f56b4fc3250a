"""The command line refuses what makes no sense, with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_contract.online_store import Hide
from recommender_runtime.settings import SettingsError
from recommender_serving.experiments.peers import Addresses
from recommender_serving.process.settings import ServeSettings, VerifySettings, parse
from recommender_serving.ranking.answer_cache import Bounds
from recommender_serving.ranking.exploration import Exploration

SERVE = ["serve", "--artifact", "/artifact"]
NAMES = {"RECOMMENDER_MODEL": "movies", "RECOMMENDER_VERSION": "movies-1"}


def serve(*flags: str, **environ: str) -> ServeSettings:
    settings = parse([*SERVE, *flags], NAMES | environ)
    assert isinstance(settings, ServeSettings)
    return settings


def test_serve_takes_its_names_and_timeout_from_the_environment() -> None:
    settings = serve(RECOMMENDER_TIMEOUT_MS="120")
    assert (settings.model, settings.version) == ("movies", "movies-1")
    assert settings.timeout == 0.12
    assert (settings.predictor, settings.http_port, settings.grpc_port) == (
        "localhost:9000",
        8080,
        8081,
    )


def test_kserves_spelling_of_its_arguments_is_understood() -> None:
    settings = serve(
        "--model_name", "recommender", "--predictor_host", "one.team:80", "--http_port", "8090"
    )
    assert (settings.predictor, settings.http_port) == ("one.team:80", 8090)


def test_by_default_it_waits_for_triton_without_end() -> None:
    assert serve().model_wait is None
    assert serve("--model-wait-seconds", "20").model_wait == 20


def test_a_flag_wins_over_the_environment() -> None:
    settings = serve("--version", "movies-2", "--timeout-ms", "7", RECOMMENDER_TIMEOUT_MS="120")
    assert (settings.version, settings.timeout) == ("movies-2", 0.007)


@pytest.mark.parametrize(("timeout_ms", "baseline"), [("20", 0.01), ("200", 0.1), ("5000", 0.1)])
def test_the_baseline_has_half_the_time_and_100_ms_at_most(
    timeout_ms: str, baseline: float
) -> None:
    assert serve("--timeout-ms", timeout_ms).baseline_timeout == baseline


def test_the_time_of_the_baseline_can_be_given() -> None:
    assert serve("--baseline-timeout-ms", "500").baseline_timeout == 0.5


@pytest.mark.parametrize("missing", NAMES)
def test_a_missing_name_is_reported_with_its_variable(missing: str) -> None:
    environ = {key: value for key, value in NAMES.items() if key != missing}
    with pytest.raises(SettingsError, match=missing):
        parse(SERVE, environ)


@pytest.mark.parametrize("timeout", ["0", "-1", "soon", "1.5", "60001"])
def test_a_timeout_out_of_range_is_refused(timeout: str) -> None:
    with pytest.raises(SettingsError, match="RECOMMENDER_TIMEOUT_MS"):
        serve(RECOMMENDER_TIMEOUT_MS=timeout)


def test_the_two_ports_must_differ() -> None:
    with pytest.raises(SettingsError, match="both 8081"):
        serve("--http-port", "8081")


@pytest.mark.parametrize(
    "flags",
    [
        ["--http-port", "0"],
        ["--grpc-port", "65536"],
        ["--predictor-host", "localhost"],
        ["--predictor-host", ":9000"],
        ["--predictor-host", "host:port"],
        ["--max-in-flight", "0"],
        ["--baseline-timeout-ms", "0"],
        ["--drain-seconds", "-1"],
    ],
)
def test_a_flag_that_makes_no_sense_ends_with_code_2(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        serve(*flags)
    assert ended.value.code == 2
    assert flags[0] in capsys.readouterr().err


def test_verify_takes_a_folder_and_a_digest() -> None:
    digest = "sha256:" + "0f" * 32
    assert parse(["verify", "/artifact", "--digest", digest], {}) == VerifySettings(
        Path("/artifact"), digest
    )


@pytest.mark.parametrize("digest", ["0f" * 32, "sha256:0f", "sha256:" + "0F" * 32])
def test_verify_rejects_an_invalid_digest(digest: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["verify", "/artifact", "--digest", digest], {})
    assert ended.value.code == 2
    assert "is not a digest" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["serve"], ["verify"]])
def test_help_shows_examples_and_exit_codes(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([*command, "--help"], {})
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "recommender-serving verify /artifact --digest" in shown
    assert "exit codes" in shown


@pytest.mark.parametrize(
    ("given", "hidden"),
    [
        (None, None),  # the version decides
        ("", set()),
        ("Seen", {Hide.SEEN}),
        (" Bought , Seen,", {Hide.BOUGHT, Hide.SEEN}),
    ],
)
def test_what_answers_leave_out_is_a_list_of_names(
    given: str | None, hidden: set[Hide] | None
) -> None:
    environ = {} if given is None else {"RECOMMENDER_HIDE": given}
    assert serve(**environ).hide == hidden


def test_an_unknown_name_to_leave_out_is_an_error_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"RECOMMENDER_HIDE is 'seen'.*Interacted, Bought"):
        serve(RECOMMENDER_HIDE="seen")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{", "Invalid JSON"),
        ('{"diversity": [{"feature": "brand"}]}', "diversity.0.maxPerCategory: Field required"),
        ('{"exposure": [{"feature": "b", "categories": ["x"], "minShare": 2}]}', "minShare: Inp"),
        ('{"newer": []}', "newer: Extra inputs"),
    ],
)
def test_invalid_limits_of_lists_are_an_error_with_the_field(given: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"RECOMMENDER_LIST_LIMITS is invalid: .*{message}"):
        serve(RECOMMENDER_LIST_LIMITS=given)


def test_impressions_go_to_a_collector_if_a_share_is_given() -> None:
    assert (serve().collector, serve().impressions) == (None, 0)
    settings = serve(
        RECOMMENDER_COLLECTOR_URL="http://collector.team.svc", RECOMMENDER_IMPRESSIONS="0.25"
    )
    assert settings.collector == "http://collector.team.svc"
    assert settings.impressions == 0.25


COLLECTED = {"RECOMMENDER_COLLECTOR_URL": "http://collector", "RECOMMENDER_IMPRESSIONS": "0.5"}
EXPLORING = '{"share": 0.01, "pool": 10}'


def test_answers_explore_if_somebody_gets_to_know() -> None:
    assert serve(**COLLECTED).explores is None
    assert serve(**COLLECTED, RECOMMENDER_EXPLORATION=EXPLORING).explores == Exploration(0.01, 10)
    for missing in COLLECTED:
        rest = {name: value for name, value in COLLECTED.items() if name != missing}
        assert serve(**rest, RECOMMENDER_EXPLORATION=EXPLORING).explores is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("0.1", "object"),
        ('{"share": 0.1}', "pool: Field required"),
        ('{"share": 0, "pool": 5}', "share: .*greater than 0"),
        ('{"share": 0.3, "pool": 5}', "share: .*less than or equal to 0.2"),
        ('{"share": 0.1, "pool": 1}', "pool: .*greater than or equal to 2"),
        ('{"share": 0.1, "pool": 21}', "pool: .*less than or equal to 20"),
        ('{"share": 0.1, "pool": 5, "places": 2}', "places: "),
    ],
)
def test_invalid_settings_of_exploration_are_an_error_with_the_field(
    given: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=f"RECOMMENDER_EXPLORATION is invalid: .*{message}"):
        serve(RECOMMENDER_EXPLORATION=given)


@pytest.mark.parametrize(
    "url",
    [
        "collector:80", "redis://collector", "http://", "http://a/b", "http://collector:99999",
        "http://collector:http", "http://collector:0",
    ],
)  # fmt: skip
def test_a_url_that_is_no_collectors_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="RECOMMENDER_COLLECTOR_URL"):
        serve(RECOMMENDER_COLLECTOR_URL=url)


def test_predictions_are_reported_only_if_that_is_asked_for() -> None:
    assert not serve().predictions
    assert serve(RECOMMENDER_PREDICTIONS="true").predictions
    with pytest.raises(SettingsError, match="RECOMMENDER_PREDICTIONS"):
        serve(RECOMMENDER_PREDICTIONS="yes")


@pytest.mark.parametrize("share", ["all", "-0.1", "1.1", "nan"])
def test_a_share_of_impressions_out_of_range_is_refused(share: str) -> None:
    with pytest.raises(SettingsError, match="RECOMMENDER_IMPRESSIONS"):
        serve(RECOMMENDER_IMPRESSIONS=share)


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("RECOMMENDER_LOG_LEVEL", "LOUD", "give one of DEBUG"),
        ("RECOMMENDER_LOG_FORMAT", "xml", "give one of json, text"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "give http://HOST:PORT"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:70000", "give http://HOST:PORT"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:x@collector", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "give a share from 0 to 1"),
        ("OTEL_TRACES_SAMPLER_ARG", "all", "give a share from 0 to 1"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan", "give a share from 0 to 1"),
    ],
)
def test_a_wrong_setting_of_logs_or_traces_is_an_error_with_the_remedy(
    variable: str, value: str, remedy: str
) -> None:
    with pytest.raises(SettingsError, match=rf"{variable}.*{remedy}"):
        serve(**{variable: value})


def test_logs_are_json_and_nothing_is_traced_unless_asked_for() -> None:
    usual = serve()
    assert (usual.log_level, usual.log_format, usual.trace_endpoint) == ("INFO", "json", None)
    asked = serve(
        RECOMMENDER_LOG_LEVEL="debug",
        RECOMMENDER_LOG_USER_KEY_FILE="/key",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4318",
        OTEL_TRACES_SAMPLER_ARG="0.5",
    )
    assert (asked.log_level, asked.trace_ratio) == ("DEBUG", 0.5)
    assert asked.trace_endpoint == "http://collector:4318"
    assert asked.user_key_file == Path("/key")


def test_a_cache_is_kept_only_if_its_bounds_are_given() -> None:
    assert serve().cache is None
    assert serve(RECOMMENDER_ANSWER_CACHE="").cache is None
    bounds = Bounds(seconds=5, entries=10_000, bytes=64 * 2**20)
    assert serve(RECOMMENDER_ANSWER_CACHE="5,10000,64").cache == bounds


@pytest.mark.parametrize("text", ["5", "5,10", "5,10,0", "0,1,1", "5,-1,1", "5,x,1", "1,2,3,4"])
def test_bounds_of_a_cache_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="RECOMMENDER_ANSWER_CACHE"):
        serve(RECOMMENDER_ANSWER_CACHE=text)


def test_popularity_lists_follow_the_store_if_they_should() -> None:
    assert not serve().trending
    assert serve(RECOMMENDER_TRENDING="true").trending
    with pytest.raises(SettingsError, match="RECOMMENDER_TRENDING"):
        serve(RECOMMENDER_TRENDING="yes")


def test_other_versions_are_services_of_the_own_namespace_unless_said_otherwise() -> None:
    for text in ({}, {"RECOMMENDER_PEERS": ""}):
        assert serve(**text).peers == Addresses(
            "{version}-transformer:80", "{version}-transformer:8081"
        )
    given = serve(RECOMMENDER_PEERS="127.0.0.1:1,{version}.peers.svc:2").peers
    assert given == Addresses("127.0.0.1:1", "{version}.peers.svc:2")


@pytest.mark.parametrize(
    "text", ["a:1", "a:1,b", "a,b:1", "a:1,b:2,c:3", "http://a:1,b:2", "{0}:1,b:2", "a b:1,c:2"]
)
def test_addresses_of_other_versions_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="RECOMMENDER_PEERS"):
        serve(RECOMMENDER_PEERS=text)
