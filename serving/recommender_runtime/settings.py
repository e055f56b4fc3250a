"""Settings as declared models: each field from its flag or its environment variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self
from urllib.parse import SplitResult, urlsplit

import pydantic
from pydantic import BeforeValidator, ConfigDict

from recommender_contract import environment
from recommender_contract.logs import FORMATS, LEVELS

#: Maximum length of a value in a message, in characters.
_SHOWN = 100
#: In place of messages that speak of Python.
_MESSAGES = {
    "dataclass_type": "Input should be an object",
    "unexpected_keyword_argument": "Extra inputs are not permitted",
}


class SettingsError(Exception):
    """A setting is missing or invalid; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Variable:
    """The environment variable of a field, and what to give instead of an invalid value."""

    name: str
    remedy: str = ""  # empty: the message of the failed check says it
    flag: str = ""  # which wins
    may_be_empty: bool = False  # otherwise an empty variable counts as not set
    is_json: bool = False  # its field is shown and not its value


class Model(pydantic.BaseModel):
    """Settings whose fields may be annotated with a `Variable`.

    Validators raise `ValueError` with a remedy, or `SettingsError` with a message that does not
    show the value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def load(cls, environ: Mapping[str, str], **given: Any) -> Self:
        """Return the settings of the environment; `given` values that are not None win.

        Raises:
            SettingsError: a setting is missing or invalid.
        """
        variables = {
            field: each
            for field, info in cls.model_fields.items()
            for each in info.metadata
            if isinstance(each, Variable)
        }
        values: dict[str, Any] = {
            field: environ[each.name]
            for field, each in variables.items()
            if environ.get(each.name) or (each.may_be_empty and each.name in environ)
        }
        values |= {field: value for field, value in given.items() if value is not None}
        try:
            return cls.model_validate(values)
        except pydantic.ValidationError as error:
            problem = error.errors(include_url=False)[0]
        field, *path = map(str, problem["loc"])
        raise SettingsError(_message(variables[field], path, problem, values.get(field)))


def _message(variable: Variable, path: list[str], problem: Any, value: object) -> str:
    name = f"{variable.name} or {variable.flag}" if variable.flag else variable.name
    if problem["type"] == "missing" and not path:
        return f"{name} is not set: {variable.remedy}"
    message = _MESSAGES.get(problem["type"], problem["msg"]).removeprefix("Value error, ")
    if variable.is_json:
        place = f"{'.'.join(path)}: " if path else ""
        return f"{name} is invalid: {place}{message}"
    return f"{name} is {str(value)[:_SHOWN]!r}: {variable.remedy or message}"


def split_url(url: str, variable: str) -> SplitResult:
    """Return the parts of a URL; the message of an error shows no password that it may have.

    Raises:
        SettingsError: it has none.
    """
    try:
        return urlsplit(url)
    except ValueError as error:
        raise SettingsError(f"{variable} is invalid: {error}") from None


def has_address(url: SplitResult) -> bool:
    """Return whether a URL has a host, and no port or one that exists."""
    try:
        return bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _choice(*choices: str) -> BeforeValidator:
    def chosen(given: str) -> str:
        for each in choices:
            if given.casefold() == each.casefold():
                return each
        raise ValueError(f"give one of {', '.join(choices)}")

    return BeforeValidator(chosen)


def _switch(given: str | bool) -> bool | None:
    return {"true": True, "false": False}.get(str(given).lower())


Switch = Annotated[bool, BeforeValidator(_switch)]
LogLevel = Annotated[str, _choice(*LEVELS), Variable(environment.LOG_LEVEL)]
LogFormat = Annotated[str, _choice(*FORMATS), Variable(environment.LOG_FORMAT)]
