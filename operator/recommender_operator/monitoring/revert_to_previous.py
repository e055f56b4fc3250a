"""Back to the previous version, if the champion's loss rose and that version is better.

A drift of what users want is new to both versions, so an older one is seldom better. Whether it
is, the training that reacts to the drift measures: champion and previous version answer the same
labelled rows, which neither was trained on (docs/adr/0071). The operator proposes the rollback
with both figures, and does it only in `retrain.mode: Auto`.
"""

from __future__ import annotations

from recommender_operator.analysis.drift_reactions import Reaction
from recommender_operator.api.conditions import ROLLBACK_PROPOSED, ConditionType, Reason, find
from recommender_operator.api.spec import RetrainMode
from recommender_operator.api.version import VersionStage
from recommender_operator.api.version_previous import PreviousComparison
from recommender_operator.context import Context, Outcome, drift_causes
from recommender_operator.observed import VersionObject


def is_better(found: PreviousComparison, least_users: int) -> bool:
    """Return whether the previous version loses less, beyond chance, and orders no worse.

    With another order that is worse, its probabilities alone would be better: a new calibration
    gives the same without a rollback.
    """
    return (
        not found.message
        and found.users >= least_users
        and found.gain_low > 0
        and found.auc >= found.champion_auc
    )


def compare_with_previous(ctx: Context, out: Outcome, candidate: VersionObject) -> bool:
    """Evaluating: roll back if the training found the previous version better, and say whether.

    The training starts again, because its gates have to compare it with what serves now.
    """
    champion, previous, found = ctx.champion, ctx.previous, candidate.status.previous
    if Reaction.ROLL_BACK_IF_BETTER not in drift_causes.wanted(ctx):
        return False
    if champion is None or previous is None or found is None:
        return False
    if not _is_of(found, champion, previous):
        return False
    if not is_better(found, ctx.spec.retrain.drift.window_sessions) or _obstacle(ctx, previous):
        return False
    if len(_compared(ctx, champion, previous)) > 1:
        return False  # Nearly the same rows again: each comparison would be another chance.
    message = f"the loss of {champion.name} rose, and {_figures(found, champion, previous)}"
    # First: without its comparison, a pass after a crash trains again, and decides by that.
    out.restart(candidate.name)
    out.route_first()
    out.change(previous.name, replaced=champion.name)
    out.end(previous.name, VersionStage.PROMOTED, Reason.PREVIOUS_IS_BETTER, message)
    out.end(champion.name, VersionStage.ROLLED_BACK, Reason.PREVIOUS_IS_BETTER, message)
    return True


def comparison_message(ctx: Context, champion: VersionObject) -> str:
    """Return the result of the last comparison, for the condition; empty if none is wanted."""
    previous = ctx.previous
    if previous is None or Reaction.ROLL_BACK_IF_BETTER not in drift_causes.wanted(ctx):
        return ""
    found = _last(ctx, champion, previous)
    if found is None:
        return f"Rollback: none before a training has compared {previous.name} with it"
    if found.message:
        return f"Rollback: none; {previous.name} was not compared: {found.message}"
    figures, least = _figures(found, champion, previous), ctx.spec.retrain.drift.window_sessions
    if found.users < least:
        return f"Rollback: none, because {least} users are needed (windowSessions); {figures}"
    if not is_better(found, least):
        return f"Rollback: none; {figures}"
    why = _obstacle(ctx, previous) or _too_late(ctx, champion, previous)
    return (
        f"{ROLLBACK_PROPOSED}, because {figures}. Not by itself, because {why}; annotate "
        f"recommender.dev/rollback-to={previous.name}{_ended_by_it(ctx)}"
    )


def report_comparison(ctx: Context, out: Outcome, said: str) -> None:
    """Send a proposal as an Event, once; `said` is what the condition says."""
    before = find(ctx.model.status.conditions, ConditionType.DRIFTED)
    if said.startswith(ROLLBACK_PROPOSED) and (
        before is None or ROLLBACK_PROPOSED not in before.message
    ):
        out.warn(Reason.PREVIOUS_IS_BETTER, said)


def _too_late(ctx: Context, champion: VersionObject, previous: VersionObject) -> str:
    if len(_compared(ctx, champion, previous)) > 1:
        return "only the first comparison of two versions acts"
    return "the training had compared them before it was allowed"


def _ended_by_it(ctx: Context) -> str:
    """Return which version a rollback by annotation ends, and how it starts again."""
    if ctx.candidate is None:
        return ""
    return (
        f", which also ends {ctx.candidate.name}; recommender.dev/retry=<new token> then starts "
        "that again, compared with what serves"
    )


def _last(
    ctx: Context, champion: VersionObject, previous: VersionObject
) -> PreviousComparison | None:
    """Return the latest comparison of these two."""
    found = [
        version
        for version in ctx.versions.values()
        if version.status.previous is not None
        and _is_of(version.status.previous, champion, previous)
    ]
    latest = max(found, key=lambda each: (each.status.data_read, each.name), default=None)
    return None if latest is None else latest.status.previous


def _compared(
    ctx: Context, champion: VersionObject, previous: VersionObject
) -> list[PreviousComparison]:
    """Return all comparisons of these two that have figures."""
    seen = (version.status.previous for version in ctx.versions.values())
    return [
        each
        for each in seen
        if each is not None and not each.message and _is_of(each, champion, previous)
    ]


def _is_of(found: PreviousComparison, champion: VersionObject, previous: VersionObject) -> bool:
    artifacts = champion.status.artifact, previous.status.artifact
    digests = [artifact.digest for artifact in artifacts if artifact is not None]
    return digests == [found.champion_digest, found.digest]


def _obstacle(ctx: Context, previous: VersionObject) -> str:
    """Return why the operator does not roll back by itself; empty if it does."""
    if (mode := ctx.spec.retrain.mode) is not RetrainMode.AUTO:
        return f"retrain.mode is {mode}"
    if ctx.status.locked:
        return "the model is locked"
    if ctx.standby is not None:
        return f"{previous.name} answers in its place already"
    if not ctx.is_ready(previous.name):
        return f"{previous.name} is not ready (serving.keepPrevious)"
    return ""


def _figures(found: PreviousComparison, champion: VersionObject, previous: VersionObject) -> str:
    """Return both figures, and what they are of."""
    days = ""
    if found.since is not None and found.until is not None:
        days = f" from {found.since:%Y-%m-%d} to {found.until:%Y-%m-%d}"
    return (
        f"on {found.rows} rows of {found.users} users{days} that neither was trained on, "
        f"{previous.name} has a log loss of {found.log_loss:.4f} against "
        f"{found.champion_log_loss:.4f} of {champion.name} (98 % interval of the gain "
        f"[{found.gain_low:+.4f}, {found.gain_high:+.4f}]) and an AUC of {found.auc:.4f} against "
        f"{found.champion_auc:.4f}"
    )
