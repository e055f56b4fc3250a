"""The gauges of experiments: those of a candidate, and the same of each further version."""

from __future__ import annotations

import dataclasses
from typing import Any

from recommender_operator.api.version import ModelVersionStatus, VersionStage
from recommender_operator.api.version_experiment import (
    ArmStatus,
    ExperimentPhase,
    ExperimentStatus,
    MetricComparison,
)
from recommender_operator.observed import VersionObject
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.metrics.metric_samples import NAMES, PLAN, shown, version


def test_an_experiment_has_its_numbers_once_it_was_judged() -> None:
    clicks = MetricComparison(
        metric="ClickThroughRate", role="Primary", champion=0.04, candidate=0.05, difference=0.25,
        low=0.1, high=None, limit=0.05,
    )  # fmt: skip
    experiment = ExperimentStatus(
        id="00c0ffee", plan=PLAN, verdict="Promote", users=10, planned_users=20, mixed=1,
        disagreed=2, sample_ratio_p=0.4, metrics=(clicks,),
    )  # fmt: skip
    found = shown([version(NAMES[0], ModelVersionStatus(experiment=experiment))])
    found = {key: value for key, value in found.items() if key[0].startswith("experiment_")}
    of_metric = (NAMES[0], "ClickThroughRate", "Primary")
    assert found == {
        ("experiment_verdict", (NAMES[0], "Promote")): 1,
        ("experiment_users", (NAMES[0],)): 10,
        ("experiment_planned_users", (NAMES[0],)): 20,
        ("experiment_mixed_users", (NAMES[0],)): 1,
        ("experiment_disagreements", (NAMES[0],)): 2,
        ("experiment_sample_ratio_p", (NAMES[0],)): 0.4,
        ("experiment_value", of_metric): 0.05,
        ("experiment_champion_value", of_metric): 0.04,
        ("experiment_difference", of_metric): 0.25,
        ("experiment_lower", of_metric): 0.1,
        ("experiment_limit", of_metric): 0.05,
    }
    begun = experiment.model_copy(update={"verdict": ""})
    assert not [
        key
        for key in shown([version(NAMES[0], ModelVersionStatus(experiment=begun))])
        if key[0].startswith("experiment_")
    ]


BETTER = MetricComparison(
    metric="ClickThroughRate", role="Guardrail", champion=0.04, candidate=0.03, difference=-0.25,
    low=-0.4, high=-0.1, limit=0.05,
)  # fmt: skip


def compared(*arms: ArmStatus, **values: Any) -> VersionObject:
    names = tuple(arm.version for arm in arms)
    phase = ExperimentPhase(number=0, weight=20, stable=NAMES[1], arms=names, since=NOW)
    given = {"id": "00c0ffee", "plan": PLAN, "verdict": "KeepRunning", "phases": (phase,)}
    seen = ExperimentStatus(**{**given, "arms": arms, **values})
    status = ModelVersionStatus(stage=VersionStage.CANARY, weight=20, experiment=seen)
    return version(NAMES[0], status)


def of_arms(found: dict[tuple[str, tuple[str, ...]], float]) -> dict[str, float]:
    return {
        f"{family.removeprefix('experiment_arm_')} {' '.join(labels[1:])}": value
        for (family, labels), value in found.items()
        if family.startswith("experiment_arm_") and labels[0] == NAMES[0]
    }


def test_a_further_version_has_each_number_and_limit_that_the_candidate_has() -> None:
    arm = ArmStatus(
        version=NAMES[2], result="Worse", users=70, disagreed=3, metrics=(BETTER,)
    )  # fmt: skip
    metric = f"{NAMES[2]} ClickThroughRate Guardrail"
    found = shown([compared(arm, metrics=(BETTER,))])
    assert of_arms(found) == {
        f"withdrawn {NAMES[2]}": 0,
        f"users {NAMES[2]}": 70,
        f"disagreements {NAMES[2]}": 3,
        f"result {NAMES[2]} Worse": 1,
        f"value {metric}": 0.03,
        f"champion_value {metric}": 0.04,
        f"difference {metric}": -0.25,
        f"lower {metric}": -0.4,
        f"upper {metric}": -0.1,
        f"limit {metric}": 0.05,
    }
    of_candidate = {
        family.removeprefix("experiment_"): value
        for (family, labels), value in found.items()
        if family.startswith("experiment_") and labels[1:] == ("ClickThroughRate", "Guardrail")
    }
    assert of_candidate == {
        name.split()[0]: value for name, value in of_arms(found).items() if metric in name
    }


def test_a_further_version_that_was_left_out_is_shown_before_any_number() -> None:
    arm = ArmStatus(version=NAMES[2], withdrawn="it was deleted")
    assert of_arms(shown([compared(arm, verdict="")])) == {f"withdrawn {NAMES[2]}": 1}


def test_the_wanted_percent_of_further_versions_is_not_the_champions() -> None:
    arms = [ArmStatus(version=name) for name in NAMES[2:4]]
    gone = ArmStatus(version=NAMES[4], withdrawn="it harms")
    champion = version(NAMES[1], ModelVersionStatus(stage=VersionStage.PROMOTED, weight=80))
    found = shown([compared(*arms, gone), champion], champion=champion.name)
    wanted = {labels[0]: v for (name, labels), v in found.items() if name.startswith("wanted")}
    assert wanted == {NAMES[0]: 20, NAMES[1]: 40, NAMES[2]: 20, NAMES[3]: 20}
    assert sum(wanted.values()) == 100


def test_after_the_rollout_no_percent_is_that_of_a_further_version() -> None:
    ended = compared(ArmStatus(version=NAMES[2]))
    status = ended.status.model_copy(update={"stage": VersionStage.PROMOTED, "weight": 100})
    found = shown([dataclasses.replace(ended, status=status)], champion=NAMES[0])
    assert {k: v for k, v in found.items() if k[0].startswith("wanted")} == {
        ("wanted_weight_percent", (NAMES[0],)): 100
    }
