"""The chart's alerts, evaluated by Prometheus' own tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import of_kind
from tests.integration.prometheus_server import promtool

pytestmark = pytest.mark.integration

OWN = 'namespace="recommender-system", service="recommender-operator-metrics"'
MODEL = 'namespace="shop", model="movies"'
CANARY = f'{MODEL}, version="movies-b", stage="Canary"'
ARM = f'{MODEL}, version="movies-b", arm="movies-c"'
VERDICT = f'{MODEL}, version="movies-b", verdict="Error"'
WON = f'{MODEL}, version="movies-b", verdict="Promote"'
UNDECIDED = f'{MODEL}, version="movies-b", verdict="Inconclusive"'
STANDBY = f'{MODEL}, version="movies-b", standby="movies-a"'
COLLECTOR = 'namespace="recommender-system"'
ERASED = "recommender_writer_oldest_erasure_timestamp_seconds"
REFUSED = f'{COLLECTOR}, pod="{{pod}}", reason="{{reason}}"'
WRITER = f'{COLLECTOR}, model="movies", target="{{target}}"'
ELSEWHERE = 'namespace="other", service="recommender-operator-metrics"'


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (found,) = of_kind("everything", "PrometheusRule")
    path = tmp_path_factory.mktemp("alerts") / "rules.yaml"
    path.write_text(yaml.safe_dump(found["spec"]), encoding="utf-8")
    return path


def test_prometheus_accepts_the_rules(rules: Path) -> None:
    promtool("check", "rules", "--lint-fatal", str(rules))


def series(metric: str, labels: str, values: str) -> dict[str, str]:
    """Return a series with a value each 15 s, in the notation of promtool."""
    return {"series": f"{metric}{{{labels}}}", "values": values}


def leaders(*replicas: str, labels: str = OWN) -> list[dict[str, str]]:
    return [
        series("recommender_operator_leader", f'{labels}, pod="{i}"', values)
        for i, values in enumerate(replicas)
    ]


#: Alert, series, and the time after which it fires, or does not.
CASES: dict[str, tuple[str, list[dict[str, str]], str, bool]] = {
    "nobody leads": (
        "RecommenderOperatorWithoutLeader", leaders("0x40", "0x40"), "90s", True),
    "one leads": (
        "RecommenderOperatorWithoutLeader", leaders("0x40", "1x40"), "5m", False),
    "no replica is there": (
        "RecommenderOperatorWithoutLeader", leaders("1x40", labels=ELSEWHERE), "90s", True),
    "another one takes over": (
        "RecommenderOperatorWithoutLeader",
        leaders("1 1 1 1 0x36", "0 0 0 0 0 0 1x34"), "2m", False),
    "a watch is silent": (
        "RecommenderOperatorBlind",
        [series("recommender_operator_cache_age_seconds", f'{OWN}, resource="jobs"', "181+15x40")],
        "3m", True),
    "a watch ends in time": (
        "RecommenderOperatorBlind",
        [series("recommender_operator_cache_age_seconds", f'{OWN}, resource="jobs"', "90x40")],
        "9m", False),
    "models wait": (
        "RecommenderOperatorBehind",
        [series("recommender_operator_queue_wait_seconds_bucket", f'{OWN}, le="{le}"', values)
         for le, values in (("30", "0x120"), ("60", "0+9x120"), ("+Inf", "0+9x120"))],
        "25m", True),
    "two write the same": (
        "RecommenderOperatorDisputed",
        [series("recommender_operator_conflicts_total", OWN, "0+9x160")], "35m", True),
    "a conflict now and then": (
        "RecommenderOperatorDisputed",
        [series("recommender_operator_conflicts_total", OWN, "0+1x160")], "35m", False),
    "another release acts": (
        "RecommenderModelsOfAnotherRelease",
        [series("recommender_operator_foreign_models", f'{OWN}, pod="1"', "2x80")], "16m", True),
    "each acts on its own": (
        "RecommenderModelsOfAnotherRelease",
        [series("recommender_operator_foreign_models", f'{OWN}, pod="1"', "0x80")], "16m", False),
    "a further version is withdrawn": (
        "RecommenderExperimentArmWithdrawn",
        [series("recommender_operator_experiment_arm_withdrawn", ARM, "0x8 1x40"),
         series("recommender_operator_version_stage", CANARY, "1x50")], "3m", True),
    "all further versions take part": (
        "RecommenderExperimentArmWithdrawn",
        [series("recommender_operator_experiment_arm_withdrawn", ARM, "0x50"),
         series("recommender_operator_version_stage", CANARY, "1x50")], "3m", False),
    "one was withdrawn from an experiment that has ended": (
        "RecommenderExperimentArmWithdrawn",
        [series("recommender_operator_experiment_arm_withdrawn", ARM, "1x50"),
         series("recommender_operator_version_stage",
                CANARY.replace("Canary", "Promoted"), "1x50")], "3m", False),
    "a receiver is not told": (
        "RecommenderNotificationsFailed",
        [series("recommender_operator_notifications_total",
                f'{OWN}, receiver="ops", result="failed"', "0x4 1x36")], "5m", True),
    "a receiver is told late": (
        "RecommenderNotificationsFailed",
        [series("recommender_operator_notifications_total",
                f'{OWN}, receiver="ops", result="{result}"', "0x4 1x36")
         for result in ("retried", "delivered")], "5m", False),
    "the sessions drifted": (
        "RecommenderDrifted",
        [series("recommender_operator_drift_windows", MODEL, "3x40"),
         series("recommender_operator_drift_windows_limit", MODEL, "3x40")], "3m", True),
    "the loss rose by labels": (
        "RecommenderDrifted",
        [series("recommender_operator_drift_label_windows", MODEL, "3x40"),
         series("recommender_operator_drift_windows", MODEL, "0x40"),
         series("recommender_operator_drift_windows_limit", MODEL, "3x40")], "3m", True),
    "a segment drifted by labels": (
        "RecommenderDrifted",
        [series("recommender_operator_drift_label_segment_windows",
                f'{MODEL}, feature="device", value="tablet"', "3x40"),
         series("recommender_operator_drift_windows", MODEL, "0x40"),
         series("recommender_operator_drift_windows_limit", MODEL, "3x40")], "3m", True),
    "a feature shifted inside a segment": (
        "RecommenderDrifted",
        [series("recommender_operator_drift_segment_shifts", MODEL, "1x40"),
         series("recommender_operator_drift_windows", MODEL, "0x40"),
         series("recommender_operator_drift_windows_limit", MODEL, "3x40")], "3m", True),
    "no feature shifted inside a segment": (
        "RecommenderDrifted",
        [series("recommender_operator_drift_segment_shifts", MODEL, "0x40"),
         series("recommender_operator_drift_windows", MODEL, "0x40"),
         series("recommender_operator_drift_windows_limit", MODEL, "3x40")], "3m", False),
    "one window shifted": (
        "RecommenderDrifted",
        [series("recommender_operator_drift_windows", MODEL, "1x40"),
         series("recommender_operator_drift_windows_limit", MODEL, "3x40")], "3m", False),
    "users cannot be read": (
        "RecommenderExperimentStuck",
        [series("recommender_operator_experiment_verdict", VERDICT, "1x200"),
         series("recommender_operator_version_stage", CANARY, "1x200")], "40m", True),
    "users decided and the analysis does not pass": (
        "RecommenderExperimentStuck",
        [series("recommender_operator_experiment_verdict", WON, "1x200"),
         series("recommender_operator_step_verdict", UNDECIDED, "1x200"),
         series("recommender_operator_version_stage", CANARY, "1x200")], "40m", True),
    "users decided and the analysis passed": (
        "RecommenderExperimentStuck",
        [series("recommender_operator_experiment_verdict", WON, "1x200"),
         series("recommender_operator_step_verdict", UNDECIDED, "1x8 _x192"),
         series("recommender_operator_version_stage", CANARY, "1x200")], "40m", False),
    "users could not be read in a rollout that has ended": (
        "RecommenderExperimentStuck",
        [series("recommender_operator_experiment_verdict", VERDICT, "1x200"),
         series("recommender_operator_version_stage", CANARY, "1x8 _x192")], "40m", False),
    "the holdout gets errors": (
        "RecommenderHoldoutErrors",
        [series("transformer_holdout_errors_total", STANDBY, "0+1x80"),
         series("transformer_holdout_answers_total", f'{STANDBY}, source="popularity"',
                "0+20x80")], "12m", True),
    "the holdout is answered": (
        "RecommenderHoldoutErrors",
        [series("transformer_holdout_errors_total", STANDBY, "0x80"),
         series("transformer_holdout_answers_total", f'{STANDBY}, source="popularity"',
                "0+20x80")], "12m", False),
    "the standby answers": (
        "RecommenderStandbyServes",
        [series("recommender_operator_standby_active", STANDBY, "1x40")], "6m", True),
    "the collector is gone": (
        "RecommenderCollectorDown",
        [series("recommender_collector_store_memory_share", COLLECTOR, "0.1x40")], "21m", True),
    "the collector was never there": ("RecommenderCollectorDown", [], "21m", False),
    "one collector of two is gone": (
        "RecommenderCollectorDown",
        [series("recommender_collector_store_memory_share", f'{COLLECTOR}, pod="{pod}"', values)
         for pod, values in (("a", "0.1x40"), ("b", "0.1x120"))], "21m", False),
    "events are refused": (
        "RecommenderEventsRefused",
        [series("recommender_collector_refused_requests_total",
                REFUSED.format(pod="a", reason="unavailable"), "0+1x120")], "16m", True),
    "the store was away for a moment": (
        "RecommenderEventsRefused",
        [series("recommender_collector_refused_requests_total",
                REFUSED.format(pod="a", reason="unavailable"), "0x8 9x120")], "12m", False),
    "clients send what is no event": (
        "RecommenderEventsRefused",
        [series("recommender_collector_refused_requests_total",
                REFUSED.format(pod="a", reason="invalid"), "0+1x120")], "16m", False),
    "the retention removed messages": (
        "RecommenderEventsLost",
        [series("recommender_writer_lost_messages_total", f'{COLLECTOR}, model="movies"',
                "0x8 7x40")], "5m", True),
    "no message was lost": (
        "RecommenderEventsLost",
        [series("recommender_writer_lost_messages_total", f'{COLLECTOR}, model="movies"',
                "7x40")], "5m", False),
    "the writer stands still": (
        "RecommenderEventsBehind",
        [series("recommender_writer_last_record_timestamp_seconds",
                WRITER.format(target="store"), "15x120")], "12m", True),
    "the writer never wrote": (
        "RecommenderEventsBehind",
        [series("recommender_writer_last_record_timestamp_seconds",
                WRITER.format(target="store"), "0x120")], "12m", True),
    "the writer follows": (
        "RecommenderEventsBehind",
        [series("recommender_writer_last_record_timestamp_seconds",
                WRITER.format(target="store"), "0+15x120")], "12m", False),
    "the files wait for their next batch": (
        "RecommenderEventsBehind",
        [series("recommender_writer_last_record_timestamp_seconds",
                WRITER.format(target="lake"), "0x240")], "55m", False),
    "the files stand still": (
        "RecommenderEventsBehind",
        [series("recommender_writer_last_record_timestamp_seconds",
                WRITER.format(target="lake"), "0x600")], "130m", True),
    "an erasure does not end": (
        "RecommenderErasureOpen",
        [series(ERASED, f'{COLLECTOR}, model="movies", place="files"', "60x6000")], "25h", True),
    "an erasure may take a day": (
        "RecommenderErasureOpen",
        [series(ERASED, f'{COLLECTOR}, model="movies", place="{place}"', values)
         for place, values in (("files", "0x6000"), ("lake", "60x6000"))], "24h", False),
    "a lake does not apply an erasure": (
        "RecommenderErasureOpen",
        [series(ERASED, f'{COLLECTOR}, model="movies", place="lake"', "60x41000")], "169h", True),
    "no lake reads the files": (
        "RecommenderFilesKept",
        [series("recommender_writer_unread_batches", f'{COLLECTOR}, model="movies"', "3x12000")],
        "49h", True),
    "lakes have read the files": (
        "RecommenderFilesKept",
        [series("recommender_writer_unread_batches", f'{COLLECTOR}, model="movies"', "0x12000")],
        "49h", False),
    "the store fills": (
        "RecommenderStoreFills",
        [series("recommender_collector_store_memory_share", COLLECTOR, "0.75x120")], "16m", True),
    "the store has room": (
        "RecommenderStoreFills",
        [series("recommender_collector_store_memory_share", COLLECTOR, "0.6x120")], "16m", False),
    "impressions are dropped": (
        "RecommenderImpressionsLost",
        [series("transformer_impressions_total", f'{STANDBY}, outcome="{outcome}"', values)
         for outcome, values in (("durable", "0+20x120"), ("dropped", "0+1x120"))], "22m", True),
    "impressions are durable": (
        "RecommenderImpressionsLost",
        [series("transformer_impressions_total", f'{STANDBY}, outcome="{outcome}"', values)
         for outcome, values in (("durable", "0+20x120"), ("dropped", "3x120"))], "22m", False),
    "the champion is back": (
        "RecommenderStandbyServes",
        [series("recommender_operator_standby_active", STANDBY, "1x8 0x32")], "6m", False),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_alert_fires_when_it_must_and_not_before(
    case: str, rules: Path, tmp_path: Path
) -> None:
    alert, given, at, fires = CASES[case]
    test: dict[str, Any] = {
        "interval": "15s",
        "input_series": given,
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) or vector(0)',
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": int(fires)}],
            }
        ],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(rules)], "tests": [test]}))
    promtool("test", "rules", str(path))
