"""Parse what is known of the callers, which the operator passes as JSON: pure."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from recommender_serving.domain.callers import UNKNOWN, Callers
from recommender_serving.process import json_settings
from recommender_serving.process.environment import SettingsError

VARIABLE = "RECOMMENDER_CALLERS"


class _Callers(json_settings.Setting):
    trusted: bool = False
    userHeader: str = Field(default="", pattern=r"^([a-z][a-z0-9-]{0,63})?$")  # noqa: N815


def callers(environ: Mapping[str, str]) -> Callers:
    """Return who the callers are: nobody in particular without the variable.

    Raises:
        SettingsError: it is not the JSON of valid settings.
    """
    text = environ.get(VARIABLE)
    if text is None:
        return UNKNOWN
    try:
        given = json_settings.read(_Callers, text)
    except ValueError as error:
        raise SettingsError(f"{VARIABLE}: {error}") from None
    return Callers(given.trusted, given.userHeader)
