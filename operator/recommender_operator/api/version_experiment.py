"""The record of an experiment in the status of its candidate."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import Field

from recommender_contract.events import MAX_SEGMENTS
from recommender_contract.resource.base import ApiModel
from recommender_operator.api.spec_experiment import (
    MAX_COMPARED,
    MAX_FURTHER,
    MAX_METRICS,
    ExperimentSpec,
)

#: Highest number of a phase; the phases after it have it too.
LAST_PHASE = 99
#: Maximum number of phases in the status; the oldest are dropped.
MAX_PHASES = 40
#: Maximum of the measured seconds of a phase: three years; no plan has more than 60 days.
MAX_SECONDS = 10**8


class ExperimentPhase(ApiModel):
    number: int = Field(ge=0, le=LAST_PHASE, description="Its number, from 0.")
    weight: int = Field(ge=1, le=99, description="Percent of the users of the candidate.")
    stable: str = Field(
        max_length=253, description="Version of all other users: the champion, or its standby."
    )
    arms: tuple[Annotated[str, Field(max_length=63)], ...] = Field(
        default=(),
        max_length=MAX_FURTHER,
        description="Further versions that have as many users as the candidate.",
    )
    since: datetime.datetime = Field(description="Start.")
    until: datetime.datetime | None = Field(default=None, description="End; absent if it lasts.")
    resumed: datetime.datetime | None = Field(
        default=None, description="When it last went on; absent if it was never interrupted."
    )
    measured_seconds: float = Field(
        default=0,
        ge=0,
        le=MAX_SECONDS,
        description="Time between its interruptions, in seconds, up to the last one. Neither "
        "minDays nor maxDays count a time in which a standby answered or the candidate was "
        "withdrawn.",
    )


class MetricComparison(ApiModel):
    metric: str = Field(max_length=63, description="The compared metric.")
    role: str = Field(max_length=32, description="Primary or Guardrail.")
    champion: float | None = Field(default=None, description="Value of the champion.")
    candidate: float | None = Field(default=None, description="Value of the candidate.")
    difference: float | None = Field(
        default=None, description="Difference relative to the champion's value."
    )
    low: float | None = Field(default=None, description="Lower end of its interval.")
    high: float | None = Field(default=None, description="Upper end of its interval.")
    p_value: float | None = Field(
        default=None,
        description="Two-sided p-value of the test at the planned users. Goal Superior: against "
        "no difference, corrected over all compared versions and primary metrics (Holm). Goal "
        "NotWorse: against a loss of smallestEffect, corrected over the compared versions alone "
        "(Bonferroni), because all metrics must pass.",
    )
    limit: float | None = Field(
        default=None, description="smallestEffect or largestLoss, relative to the champion."
    )
    champion_users: int = Field(default=0, ge=0, description="Users of the champion.")
    candidate_users: int = Field(default=0, ge=0, description="Users of the candidate.")


class ArmStatus(ApiModel):
    version: str = Field(max_length=63, description="The further version.")
    unready_since: datetime.datetime | None = Field(
        default=None,
        description="Start of waiting for its deployment; absent once it was ready.",
    )
    withdrawn: str = Field(
        default="",
        max_length=1024,
        description="Why it takes no part, or no longer does; empty otherwise. Its users see the "
        "champion, but count as its own until the share changes.",
    )
    withdrawn_at: datetime.datetime | None = Field(
        default=None, description="When it was withdrawn; absent if it was not."
    )
    result: str = Field(
        default="",
        max_length=32,
        description="Passed, Worse or Undecided: its test against the champion at the planned "
        "users. Ahead: it passed, and is better than the candidate beyond chance.",
    )
    users: int = Field(default=0, ge=0, description="Its measured users.")
    disagreed: int = Field(default=0, ge=0, description="Answers of another version to its users.")
    metrics: tuple[MetricComparison, ...] = Field(
        default=(),
        max_length=2 * MAX_METRICS,
        description="The metrics compared with the champion, with its own values as candidate.",
    )


class NoveltyComparison(ApiModel):
    """Relative differences on users' first day and later, and how they change."""

    metric: str = Field(max_length=63, description="The compared metric.")
    first_day: float | None = Field(
        default=None, description="Relative difference on each user's first day in the phase."
    )
    later: float | None = Field(default=None, description="Relative difference after that day.")
    change: float | None = Field(
        default=None,
        description="Relative change of candidate / champion from the first day to later days: "
        "-0.05 if the quotient is 5 % lower later.",
    )
    low: float | None = Field(default=None, description="Lower end of its interval.")
    high: float | None = Field(default=None, description="Upper end of its interval.")
    p_value: float | None = Field(
        default=None,
        description="Two-sided p-value of no change, at the planned number of users, corrected "
        "for the number of metrics (Holm).",
    )
    message: str = Field(default="", max_length=512, description="Summary in words.")


class SegmentComparison(ApiModel):
    feature: str = Field(max_length=64, description="The feature that divides the users.")
    value: str | None = Field(
        default=None,
        max_length=64,
        description="Value of the feature; absent for all other values together.",
    )
    metric: str = Field(max_length=63, description="The compared metric.")
    champion: float | None = Field(default=None, description="Value of the champion.")
    candidate: float | None = Field(default=None, description="Value of the candidate.")
    difference: float | None = Field(default=None, description="Relative difference.")
    low: float | None = Field(
        default=None, description="Lower end of its interval, corrected for all segments."
    )
    high: float | None = Field(default=None, description="Upper end of its interval.")
    p_value: float | None = Field(
        default=None,
        description="Two-sided p-value of no difference, at the planned number of users, "
        "corrected for all segments and metrics (Holm).",
    )
    champion_users: int = Field(default=0, ge=0, description="Users of the champion.")
    candidate_users: int = Field(default=0, ge=0, description="Users of the candidate.")
    note: str = Field(
        default="",
        max_length=128,
        description="Harmed: the segment loses more than largestLoss, beyond chance. Mismatch: "
        "its numbers of users do not match the weights, so it is not tested; if the feature has "
        "a largestLoss, this prevents promotion.",
    )


class SegmentInteraction(ApiModel):
    feature: str = Field(max_length=64, description="The feature that divides the users.")
    metric: str = Field(max_length=63, description="The compared metric.")
    q: float = Field(description="Cochran's Q of the relative differences of the segments.")
    p_value: float = Field(description="P-value of equal differences, corrected (Holm).")
    message: str = Field(default="", max_length=512, description="Summary in words.")


class ExperimentStatus(ApiModel):
    id: str = Field(
        max_length=8, description="Its id, which also decides the users of the candidate."
    )
    plan: ExperimentSpec = Field(
        description="spec.rollout.experiment at the start of the rollout; later changes apply to "
        "the next one."
    )
    phases: tuple[ExperimentPhase, ...] = Field(
        default=(), max_length=MAX_PHASES, description="Times of constant shares of the users."
    )
    arms: tuple[ArmStatus, ...] = Field(
        default=(),
        max_length=MAX_FURTHER,
        description="The further versions, in the order of the plan. No verdict on the candidate "
        "follows from them, except that one that is better than it keeps it from promotion.",
    )
    verdict: str = Field(
        default="",
        max_length=32,
        description="Promote, RollBack, KeepRunning, Futile, Inconclusive, Blocked or Error.",
    )
    final: bool = Field(default=False, description="Whether it is over: nothing more is read.")
    message: str = Field(default="", max_length=4096, description="Explanation with the numbers.")
    judged_at: datetime.datetime | None = Field(
        default=None, description="When the verdict was written."
    )
    counted_until: datetime.datetime | None = Field(
        default=None,
        description="Time up to which the collector had counted all events when it gave the "
        "numbers. After an Error it stays, as they do.",
    )
    verdict_since: datetime.datetime | None = Field(
        default=None, description="Time since which the verdict has not changed."
    )
    written_at: datetime.datetime | None = Field(
        default=None,
        description="judgedAt by the wall clock; judgedAt and verdictSince leave out pauses.",
    )
    users: int = Field(default=0, ge=0, description="Measured users of both versions.")
    planned_users: int | None = Field(
        default=None, ge=0, description="Users of both versions that the plan requires."
    )
    days_left: float | None = Field(
        default=None,
        ge=0,
        description="Estimate of the days from countedUntil until plannedUsers and minDays are "
        "reached, at the rate so far; absent on the first day.",
    )
    mixed: int = Field(default=0, ge=0, description="Users that were assigned to both versions.")
    disagreed: int = Field(
        default=0, ge=0, description="Answers of another version than the user's."
    )
    sample_ratio_p: float | None = Field(
        default=None,
        description="Smallest p-value that the numbers of users fit the shares; below 0.0005 no "
        "verdict counts.",
    )
    metrics: tuple[MetricComparison, ...] = Field(
        default=(), max_length=2 * MAX_METRICS, description="The metrics with their numbers."
    )
    novelty: tuple[NoveltyComparison, ...] = Field(
        default=(),
        max_length=MAX_METRICS,
        description="Whether the effect on the primary metrics lasts after users' first day. "
        "Informational: no promotion and no rollback depends on it.",
    )
    segments: tuple[SegmentComparison, ...] = Field(
        default=(),
        max_length=MAX_COMPARED,
        description="The primary metrics by segment of the users. Entries with a note take "
        "precedence if there are more than 100.",
    )
    interactions: tuple[SegmentInteraction, ...] = Field(
        default=(),
        max_length=MAX_SEGMENTS * MAX_METRICS,
        description="Whether the effect differs between the segments of a feature, at the "
        "planned number of users.",
    )
    seasonality: str = Field(
        default="",
        max_length=256,
        description="Warning that minDays is not whole weeks or, after the experiment, that the "
        "measured days are not. Empty otherwise.",
    )
