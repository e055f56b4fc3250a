"""Settings, metrics and the command line."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from recommender_operator import __main__ as command
from recommender_operator.api.version import VersionDecision, VersionStage
from recommender_operator.metrics.operator_metrics import MAX_DECISIONS, Metrics, version
from recommender_operator.notifications.receivers import Receiver, ReceiverType
from recommender_operator.observed import VersionObject
from recommender_operator.process.settings import Settings, SettingsError, load, variable
from tests.unit.recommender_operator.resources import builder_inputs
from tests.unit.recommender_operator.resources.builder_inputs import model

ENVIRONMENT = {
    "RECOMMENDER_TRAINING_IMAGE": "training:1",
    "RECOMMENDER_SERVING_IMAGE": "serving:1",
    "RECOMMENDER_NAMESPACE": "operator",
}


def test_an_unset_setting_has_its_default() -> None:
    settings = load(ENVIRONMENT)
    assert settings == Settings(
        training_image="training:1", serving_image="serving:1", namespace="operator"
    )
    assert (settings.workers, settings.watch_namespaces) == (10, ())


def test_every_setting_can_be_set_and_reaches_the_manifests() -> None:
    settings = load(
        ENVIRONMENT
        | {
            "RECOMMENDER_WATCH_NAMESPACES": " a, b ,",
            "RECOMMENDER_GATEWAY_SECTION": "",
            "RECOMMENDER_GATEWAY_DOMAIN": "x.example",
            "RECOMMENDER_IMAGE_PULL_SECRETS": "one,two",
            "RECOMMENDER_HOST_SUFFIXES": '{"shop": ["shop.example", "s.example"]}',
            "RECOMMENDER_PROMETHEUS_URLS": "http://Prom:9090/, https://b:443/x",
            "RECOMMENDER_KEDA": "true",
            "RECOMMENDER_KEDA_PROMETHEUS_URL": "http://Prom:80/",
            "RECOMMENDER_ISOLATE_TRITON": "false",
            "RECOMMENDER_METRICS_FROM": '[{"ipBlock": {"cidr": "10.0.0.0/8"}}]',
            "RECOMMENDER_MODEL_EGRESS": '[{"ports": [{"port": 443}]}]',
            "RECOMMENDER_LOG_LEVEL": "",
            "RECOMMENDER_SERVING_LOG_FORMAT": "text",
            "RECOMMENDER_TRACING_ENDPOINT": "http://Otel:4318/",
            "RECOMMENDER_TRACING_RATIO": "0.5",
            "RECOMMENDER_LOG_KEY_SECRET": "log-key",
            "RECOMMENDER_NOTIFICATIONS": '[{"name": "ops", "type": "Slack"}]',
            "RECOMMENDER_NOTIFICATION_HOSTS": "hooks.slack.com, alerts:9093",
            "RECOMMENDER_CONSOLE_URL": "https://Console.example/",
            "UNRELATED": "x",
        }
    )
    assert settings.watch_namespaces == ("a", "b")
    assert settings.log_level == "INFO"
    assert settings.options.domain == "x.example"
    assert settings.options.image_pull_secrets == ("one", "two")
    assert settings.options.host_policy == (("shop", ("shop.example", "s.example")),)
    assert settings.options.prometheus_urls == ("http://prom:9090", "https://b/x")
    # As the chart's policy has it.
    assert settings.options.keda_prometheus_url == "http://Prom:80"
    assert settings.options.keda
    assert not settings.options.isolate_triton
    assert settings.options.serving_log_format == "text"
    assert settings.options.tracing_endpoint == "http://otel:4318"
    assert settings.options.tracing_ratio == 0.5
    assert settings.options.log_key_secret == "log-key"
    assert settings.notifications == (Receiver(name="ops", type=ReceiverType.SLACK),)
    assert settings.notification_hosts == ("hooks.slack.com", "alerts:9093")
    assert settings.console_url == "https://console.example"
    assert settings.options.model_egress == ({"ports": [{"port": 443}]},)
    assert settings.options.metrics_from == ({"ipBlock": {"cidr": "10.0.0.0/8"}},)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("RECOMMENDER_WORKERS", "0", "greater than or equal to 1"),
        ("RECOMMENDER_WORKERS", "many", "valid integer"),
        ("RECOMMENDER_LOG_FORMAT", "xml", "'json' or 'text'"),
        ("RECOMMENDER_WATCH_NAMESPACES", "A_b", "separate names by commas"),
        ("RECOMMENDER_HOST_SUFFIXES", "shop.example.com", "must be JSON such as"),
        ("RECOMMENDER_HOST_SUFFIXES", '{"shop": "a.b"}', "must be JSON such as"),
        ("RECOMMENDER_HOST_SUFFIXES", '{"shop": [".a"]}', "suffix '.a' of 'shop' must be"),
        ("RECOMMENDER_PROMETHEUS_URLS", "http://a:9090,http://b/?x", "base URL"),
        ("RECOMMENDER_GATEWAY_LOSSES_URL", "http://a/?x", "base URL"),
        ("RECOMMENDER_GATEWAY_LOSSES_QUERY", "lost{$pod}", "$namespace and $service"),
        ("RECOMMENDER_GATEWAY_NAME", "Gate Way", "match pattern"),
        ("RECOMMENDER_METRICS_FROM", "monitoring", "a JSON list of `from` entries"),
        # An entry without a field is invalid, and a list without entries admits everybody.
        ("RECOMMENDER_METRICS_FROM", "[{}]", "a JSON list of `from` entries"),
        ("RECOMMENDER_METRICS_FROM", '[{"pods": {}}]', "a JSON list of `from` entries"),
        ("RECOMMENDER_METRICS_FROM", '[{"podSelector": 1}]', "a JSON list of `from` entries"),
        ("RECOMMENDER_ISOLATE_TRITON", "perhaps", "valid boolean"),
        ("RECOMMENDER_MODEL_EGRESS", "[{}]", "JSON list of `egress`"),
        ("RECOMMENDER_MODEL_EGRESS", '[{"to": []}]', "JSON list of `egress`"),
        ("RECOMMENDER_NOTIFICATIONS", "ops", "Invalid JSON"),
        ("RECOMMENDER_NOTIFICATIONS", '[{"name": "ops"}]', "0.type: Field required"),
        ("RECOMMENDER_NOTIFICATIONS", '[{"name": "a", "type": "Pager"}]', "0.type: "),
        (
            "RECOMMENDER_NOTIFICATIONS",
            '[{"name": "a", "type": "Slack"}, {"name": "a", "type": "Webhook"}]',
            "names must differ",
        ),
        ("RECOMMENDER_NOTIFICATION_HOSTS", "https://hooks.slack.com", "HOST or HOST:PORT"),
        ("RECOMMENDER_CONSOLE_URL", "https://a.example/console", "without a path"),
        ("RECOMMENDER_CONSOLE_URL", "https://a.example:65536", "HOST[:PORT]"),
        ("RECOMMENDER_CONSOLE_URL", "https://[::zz]", "HOST[:PORT]"),
        ("RECOMMENDER_METRICS_PORT", "70000", "less than or equal to 65535"),
    ],
)
def test_an_invalid_value_is_reported_with_the_remedy(name: str, value: str, remedy: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(ENVIRONMENT | {name: value})
    assert str(caught.value).startswith(f"{name}={value!r}")
    assert remedy in str(caught.value)


def test_the_losses_of_the_gateway_need_a_query() -> None:
    url = {"RECOMMENDER_GATEWAY_LOSSES_URL": "http://Prom:9090/"}
    with pytest.raises(SettingsError, match=r"RECOMMENDER_GATEWAY_LOSSES_QUERY is not set: "):
        load(ENVIRONMENT | url)
    query = {"RECOMMENDER_GATEWAY_LOSSES_QUERY": 'lost{n="$namespace",s="$service"}'}
    assert load(ENVIRONMENT | url | query).gateway_losses_url == "http://prom:9090"


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"RECOMMENDER_WORKERS": "x"})
    assert len(str(caught.value).splitlines()) == 4


def test_the_settings_are_those_of_the_contract() -> None:
    with open("docs/contracts/settings.md", encoding="utf-8") as page:
        section = page.read()
    for field in Settings.model_fields:
        assert f"`{variable(field)}`" in section, field


def test_build_and_version_are_metrics() -> None:
    value = Metrics().registry.get_sample_value(
        "recommender_operator_build_info", {"version": version()}
    )
    assert value == 1


def test_a_version_that_left_the_split_leaves_the_metric() -> None:
    metrics = Metrics()

    def weight(name: str) -> float | None:
        return metrics.registry.get_sample_value(
            "recommender_operator_traffic_weight_percent",
            {"namespace": "team", "model": "movies", "version": name},
        )

    metrics.traffic(model(), {"a": 90, "b": 10})
    assert (weight("a"), weight("b")) == (90, 10)
    metrics.traffic(model(), {"b": 100})
    assert (weight("a"), weight("b")) == (None, 100)
    metrics.forget("team", "movies")
    assert weight("b") is None


def decided(reason: str) -> tuple[VersionObject, VersionObject]:
    """Return a version before and after a decision."""
    since = datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.UTC)
    before = builder_inputs.version()
    canary = {"stage": VersionStage.CANARY, "stage_since": since, "decision": None}
    decision = VersionDecision(outcome="RolledBack", reason=reason, message="m", at=since)
    back = {"stage": VersionStage.ROLLED_BACK, "stage_since": since, "decision": decision}

    def at(update: dict[str, object]) -> VersionObject:
        return dataclasses.replace(before, status=before.status.model_copy(update=update))

    return at(canary), at(back)


def of_model(metrics: Metrics) -> list[str]:
    """Return the names of the series that carry the label of the model."""
    samples = [s for family in metrics.registry.collect() for s in family.samples]
    return [s.name for s in samples if s.labels.get("model") == "movies"]


def test_a_deleted_model_leaves_no_series() -> None:
    metrics = Metrics()
    metrics.traffic(model(), {"a": 100})
    metrics.snapshot(model(), True)
    metrics.moved(model(), *decided("AnalysisFailed"))
    assert {"recommender_operator_verdicts_total", "recommender_operator_snapshot_failed"} <= set(
        of_model(metrics)
    )
    metrics.forget("team", "movies")
    assert of_model(metrics) == []
    metrics.forget("team", "movies")


def test_any_number_of_reasons_makes_a_limited_number_of_series() -> None:
    metrics = Metrics()
    for number in range(500):
        metrics.moved(model(), *decided(f"Reason{number}"))
    assert of_model(metrics).count("recommender_operator_verdicts_total") == MAX_DECISIONS + 1


def test_the_metrics_page_names_every_metric() -> None:
    with open("docs/metrics.md", encoding="utf-8") as page:
        text = page.read()
    for family in Metrics().registry.collect():
        assert f"`{family.name}" in text, family.name


Capture = pytest.CaptureFixture[str]


def test_the_version_is_printed(capsys: Capture) -> None:
    assert command.main(["version"]) == command.OK
    assert capsys.readouterr().out.strip() == version()


def test_the_definitions_are_printed(capsys: Capture) -> None:
    assert command.main(["crds"]) == command.OK
    assert capsys.readouterr().out.count("kind: CustomResourceDefinition") == 3


@pytest.mark.parametrize("arguments", [[], ["dance"], ["run", "--fast"]])
def test_a_wrong_command_line_is_refused(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == command.USAGE


def test_wrong_settings_end_the_command_at_once(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    assert command.main(["run"]) == command.USAGE
    assert "RECOMMENDER_TRAINING_IMAGE is not set" in capsys.readouterr().err


def test_help_names_every_variable_and_exit_code(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        command.main(["run", "--help"])
    text = capsys.readouterr().out
    assert all(variable(name) in text for name in Settings.model_fields)
    assert "exit codes" in text
