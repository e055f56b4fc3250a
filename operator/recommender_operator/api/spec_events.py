"""The section events of the spec: the use of what clients and transformers report."""

from __future__ import annotations

from pydantic import Field

from recommender_contract.online_store import Hide
from recommender_contract.resource.base import ApiModel
from recommender_operator.api.spec_holdout import HoldoutSpec


class Exploration(ApiModel):
    share: float = Field(
        gt=0,
        le=0.2,
        description="Share of the answers that can explore, whose last item is drawn.",
    )
    pool: int = Field(
        default=10,
        ge=2,
        le=20,
        description="Number of items that may stand at the last place: the best ones left after "
        "the places before it. Each is as likely.",
    )


class EventsSpec(ApiModel):
    impressions: float = Field(
        default=0,
        ge=0,
        le=1,
        description="Share of the answers that the transformer reports to the collector as "
        "impressions, chosen by a hash of the request id; 1 reports all, 0 none.",
    )
    exploration: Exploration | None = Field(
        default=None,
        description="Draw the last item of some answers of the model by chance, among the best "
        "ones for its place, and report from which. The data of such answers can say what another "
        "version would have gained. Requires impressions above 0. Nothing is drawn if absent.",
    )
    holdout: HoldoutSpec | None = Field(
        default=None,
        description="Keep some users from the model, whatever version serves, to measure what it "
        "gains over its fallbacks. Requires impressions 1; without the collector of the release "
        "nobody is kept from the model. None if absent.",
    )
    trending: bool = Field(
        default=False,
        description="Let requests know what is popular now, by the collector's store. Versions "
        "that are trained from then on order lists by it where lists gain, and it is mixed into "
        "the popularity lists that answer if the models do not.",
    )
    hide: tuple[Hide, ...] | None = Field(
        default=None,
        max_length=len(Hide),
        description="Items that answers leave out, as the collector's store knows the user. "
        "Interacted: of the newest 100 interactions. Bought and Disliked: by events. Seen: shown "
        "or opened. If absent: Interacted, Bought and Disliked where the items of the version "
        "never come again, Disliked alone where they may. A list holds for every version as it "
        "is given; an empty one leaves out nothing but the items of the session that may not come "
        "again yet. Requests that choose items need serving.callers.",
    )
