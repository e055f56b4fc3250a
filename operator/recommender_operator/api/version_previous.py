"""What champion and previous version lose on the same rows, in the status of a `ModelVersion`."""

from __future__ import annotations

from pydantic import Field

from recommender_contract.job_reports import PreviousReport


class PreviousComparison(PreviousReport):
    champion_digest: str = Field(max_length=80, description="Digest of the champion's artifact.")
    digest: str = Field(max_length=80, description="Digest of the previous version's artifact.")
