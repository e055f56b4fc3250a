"""Texts of a version's stages in Events."""

from __future__ import annotations

from collections.abc import Mapping

from recommender_operator.api.version import VersionStage

STAGES: Mapping[VersionStage, str] = {
    VersionStage.PENDING: "nothing has started yet",
    VersionStage.CHECKING_DATA: "the check Job checks the data",
    VersionStage.TRAINING: "the training starts",
    VersionStage.EVALUATING: "its metrics are compared with the gates",
    VersionStage.PUBLISHING: "the artifact is being published",
    VersionStage.PUBLISHED: "the artifact is published",
    VersionStage.DEPLOYING: "its pods are starting",
    VersionStage.SMOKE_TESTING: "its pods are ready; the smoke inference starts",
    VersionStage.CANARY: "the smoke inference passed; the rollout starts",
    VersionStage.PROMOTED: "is the champion",
    VersionStage.FAILED: "failed",
    VersionStage.REJECTED: "was rejected",
    VersionStage.ROLLED_BACK: "was rolled back",
    VersionStage.SUPERSEDED: "was superseded",
}
