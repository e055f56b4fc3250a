"""A new calibration of an artifact (docs/contracts.md), as the operator has fitted it."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from recommender_contract.resource import recalibration
from recommender_training.common.errors import InputError


class Recalibration(recalibration.Recalibration):
    """Change of an artifact's log-odds, and the labels that it was fitted to."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    slope: float = Field(gt=0, le=100)
    shift: float = Field(ge=-100, le=100)
    total_slope: float = Field(gt=0, le=100)
    total_shift: float = Field(ge=-100, le=100)

    def facts(self) -> dict[str, Any]:
        """Return its JSON, for report and manifest."""
        return self.model_dump(mode="json", by_alias=True)


def parse_recalibration(text: str) -> Recalibration:
    """Return the calibration of a JSON text; raises InputError `InvalidRecalibration`."""
    try:
        return Recalibration.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(
            "InvalidRecalibration", f"--recalibration: {field}: {first['msg']}"
        ) from error
