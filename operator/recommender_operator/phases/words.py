"""What people read of a version's stages."""

from __future__ import annotations

from collections.abc import Mapping

from recommender_operator.api.version import VersionStage

STAGES: Mapping[VersionStage, str] = {
    VersionStage.PENDING: "waits for its turn",
    VersionStage.CHECKING_DATA: "the data is being checked",
    VersionStage.TRAINING: "is being trained",
    VersionStage.EVALUATING: "is held against the offline gates",
    VersionStage.PUBLISHING: "is being published to the artifact store",
    VersionStage.PUBLISHED: "is published",
    VersionStage.DEPLOYING: "its service starts",
    VersionStage.SMOKE_TESTING: "is asked for recommendations before it gets requests",
    VersionStage.CANARY: "gets requests step by step",
    VersionStage.PROMOTED: "is the champion",
    VersionStage.FAILED: "has failed",
    VersionStage.REJECTED: "was rejected before it got requests",
    VersionStage.ROLLED_BACK: "was rolled back",
    VersionStage.SUPERSEDED: "was superseded",
}
