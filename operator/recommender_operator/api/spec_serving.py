"""The section serving of the spec."""

from __future__ import annotations

from pydantic import Field

from recommender_contract.resource.base import ApiModel
from recommender_operator.api import host_names
from recommender_operator.api.spec_autoscaling import AutoscalingSpec
from recommender_operator.api.spec_lists import Diversity, ListExposure
from recommender_operator.api.spec_pod_template import PodTemplate
from recommender_operator.api.spec_resources import Resources


class CallersSpec(ApiModel):
    trusted: bool = Field(
        default=False,
        description="Whether every caller may learn what any user did, such as the backend of a "
        "shop that nobody else can imitate. Then hide and the history of users apply to all "
        "requests. Otherwise they do not to those with a session, seed_items, candidate_items, "
        "excluded_items, allow or deny: what is missing in the answer would be the history.",
    )
    user_header: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9-]*$",
        max_length=64,
        description="Header in which the Gateway names the user whom it has verified, such as "
        "x-user-id; it must replace that of a client (docs/trust.md). A request with another "
        "user_id is refused, and one without the header has no user. History applies to all "
        "requests. Excludes trusted.",
    )


class CacheSpec(ApiModel):
    seconds: int = Field(
        default=5, ge=1, le=300, description="How long an answer of the model is reused."
    )
    max_entries: int = Field(
        default=10000,
        ge=1,
        le=1000000,
        description="Maximum number of answers in a transformer pod.",
    )
    max_megabytes: int = Field(
        default=64,
        ge=1,
        le=16384,
        description="Maximum memory of these answers in a transformer pod, in MiB; it is part of "
        "transformerResources.limits.memory.",
    )


class ServingSpec(ApiModel):
    host: str | None = Field(
        default=None,
        description="Host name for requests. It must end in a suffix that the chart's "
        "gateway.allowedHosts allows for the namespace, and no other route may use it. Default: "
        "<name>.<namespace>.<domain of the chart>.",
        max_length=host_names.MAX_LENGTH,
    )
    replicas: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Number of Triton pods of each deployed version; in Knative mode, of its "
        "pods. A version serves with one pod less than this, if the cluster has no room.",
    )
    transformer_replicas: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Number of transformer pods of each deployed version, which answer the "
        "requests. Default: replicas. Not used in Knative mode, where a pod has both containers.",
    )
    timeout_milliseconds: int = Field(
        default=200,
        ge=5,
        le=10000,
        description="Timeout of the model; after it the baseline answers.",
    )
    resources: Resources = Field(
        default=Resources(),
        description="Resources of the Triton container. By default it requests 250m of CPU and "
        "512Mi of memory, or 384Mi and twice the graph of the version (its metric "
        "modelMegabytes) if that is more; the limit of memory is 2Gi, or 1Gi above that request.",
    )
    transformer_resources: Resources = Field(
        default=Resources(),
        description="Resources of the transformer container. By default it requests 250m of CPU "
        "and 256Mi of memory; the limit of memory is 1Gi.",
    )
    autoscaling: AutoscalingSpec | None = Field(
        default=None,
        description="Adds pods to deployed versions under load; their number is fixed if absent.",
    )
    pod_template: PodTemplate | None = Field(
        default=None,
        description="Where the serving pods run, and as whom. A change replaces the pods of the "
        "deployed versions one by one.",
    )
    keep_previous: bool = Field(
        default=True, description="Keep the previous champion deployed for an instant rollbackTo."
    )
    callers: CallersSpec | None = Field(
        default=None,
        description="Who asks. If absent, callers are believed to ask for the user that they "
        "name, and not trusted with the history of users.",
    )
    diversity: tuple[Diversity, ...] = Field(
        default=(),
        max_length=8,
        description="Limits of the number of similar items in an answer. If too few items are "
        "left, others follow: a limit never makes an answer shorter.",
    )
    exposure: tuple[ListExposure, ...] = Field(
        default=(),
        max_length=8,
        description="Groups of items that each answer shows, as far as the model ranks any. "
        "Diversity goes before exposure.",
    )
    cache: CacheSpec | None = Field(
        default=None,
        description="Reuse answers of the model for equal requests of a user without new events; "
        "none if absent.",
    )
    ready_deadline_seconds: int = Field(
        default=600,
        ge=10,
        le=86400,
        description="Time for a version to become ready; it is rolled back after that.",
    )
