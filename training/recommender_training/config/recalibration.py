"""A new calibration of an artifact (docs/contracts.md), as the operator has fitted it."""

from __future__ import annotations

import datetime
from typing import Any

from pydantic import Field, ValidationError

from recommender_training.common.errors import InputError
from recommender_training.common.section import Section


class Recalibration(Section):
    """Change of an artifact's log-odds, and the labels that it was fitted to."""

    of: str = Field(max_length=253)
    slope: float = Field(gt=0, le=100, allow_inf_nan=False)
    shift: float = Field(ge=-100, le=100, allow_inf_nan=False)
    total_slope: float = Field(gt=0, le=100, allow_inf_nan=False)
    total_shift: float = Field(ge=-100, le=100, allow_inf_nan=False)
    since: datetime.datetime
    judged_since: datetime.datetime
    through: datetime.datetime
    users: int = Field(ge=0)
    labels: int = Field(ge=0)
    ratio: float = Field(allow_inf_nan=False)
    ratio_after: float = Field(allow_inf_nan=False)
    gain: float = Field(allow_inf_nan=False)
    gain_low: float = Field(allow_inf_nan=False)
    gain_high: float = Field(allow_inf_nan=False)

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
