"""The conditions StorageReady and Accepted: what the spec names is usable.

The rest of the lifecycle continues; other phases and adapters do not use what is refused.
"""

from __future__ import annotations

import datetime

from recommender_operator.api import base_url
from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.spec import Provider
from recommender_operator.api.spec_autoscaling import Engine
from recommender_operator.context import Context, Outcome, storage_check

#: Pause between passes while a ScaledObject waits, which nothing else may end.
SCALING_POLL = datetime.timedelta(seconds=30)


def set_accepted(ctx: Context, out: Outcome) -> None:
    """Set the conditions StorageReady and Accepted, and warn once of each refusal."""
    kind, status, why, message = storage_check.condition(ctx.storage)
    changed = out.condition(kind, status, why, message)
    if ctx.storage.problem is not None:
        out.requeue(storage_check.poll())
        if changed:
            out.warn(why, message)
    _accept(ctx, out)


def _accept(ctx: Context, out: Outcome) -> None:
    """Set Accepted to all refusals and remedies; its reason is that of the first refusal."""
    refusals = list(_refusals(ctx, out))
    if not refusals:
        message = (
            "the installation allows the host, the Prometheus server and the service accounts of "
            "the spec"
        )
        out.condition(ConditionType.ACCEPTED, "True", Reason.ACCEPTED, message)
        return
    reason, message = refusals[0][0], ". ".join(message for _, message in refusals)
    if out.condition(ConditionType.ACCEPTED, "False", reason, message):
        out.warn(reason, message)


def _refusals(ctx: Context, out: Outcome) -> list[tuple[Reason, str]]:
    hosting = ctx.hosting
    found = [] if hosting.reason is None else [(hosting.reason, hosting.message)]
    refused = ctx.pod_templates.messages
    scaling = _refused_scaling(ctx) + _failed_scaling(ctx, out)
    return [*found, *_refused_server(ctx), *refused, *scaling]


def _failed_scaling(ctx: Context, out: Outcome) -> list[tuple[Reason, str]]:
    """Return the problems of the ScaledObjects of the model."""
    scaling, found = ctx.observed.scaling, []
    if scaling.waits:
        out.requeue(SCALING_POLL)
    if scaling.problems:
        message = "; ".join(scaling.problems)
        if ctx.spec.serving.autoscaling is not None:
            message += (
                ". Correct the cause, or set serving.autoscaling.engine HPA; "
                "HorizontalPodAutoscalers scale what KEDA does not"
            )
        found.append((Reason.KEDA_NOT_AVAILABLE, message))
    if scaling.failing_triggers:
        message = "; ".join(scaling.failing_triggers)
        message += (
            ". KEDA still scales by its other triggers, and removes no pods. Correct the cause: "
            "for requests in flight, keda.prometheusUrl must have the transformers' metrics"
        )
        found.append((Reason.KEDA_TRIGGER_FAILED, message))
    return found


def _refused_scaling(ctx: Context) -> list[tuple[Reason, str]]:
    """Return why KEDA does not scale as the spec asks, and what does until it can."""
    scaling, platform = ctx.spec.serving.autoscaling, ctx.observed.platform
    if scaling is None or scaling.engine is not Engine.KEDA:
        return []
    instead = "until then HorizontalPodAutoscalers scale, and peaks have no effect"
    if not platform.keda:
        message = (
            "serving.autoscaling.engine KEDA is not available in this installation: set "
            f"keda.enabled in the chart, or the engine HPA; {instead}"
        )
    elif platform.missing_for_scaling:
        message = (
            "serving.autoscaling.engine is KEDA, but the cluster lacks "
            f"{', '.join(platform.missing_for_scaling)}: install KEDA, or set the engine HPA; "
            f"{instead}"
        )
    elif scaling.target_requests_in_flight is not None and not platform.keda_prometheus_url:
        message = (
            "serving.autoscaling.targetRequestsInFlight with the engine KEDA requires "
            "keda.prometheusUrl in the chart; until then CPU and peaks decide"
        )
    else:
        return []
    return [(Reason.KEDA_NOT_AVAILABLE, message)]


def _refused_server(ctx: Context) -> list[tuple[Reason, str]]:
    analysis = ctx.spec.rollout.analysis
    if analysis.provider is not Provider.PROMETHEUS or analysis.prometheus_url is None:
        return []
    allowed = ctx.observed.platform.prometheus_urls
    refusal = base_url.refusal(analysis.prometheus_url, allowed)
    return [(Reason.PROMETHEUS_NOT_ALLOWED, refusal)] if refusal else []
