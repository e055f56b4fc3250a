"""Settings of the operator, from environment variables (`docs/contracts.md`)."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field

from recommender_operator.api import base_url, host_names, service_accounts
from recommender_operator.notifications.receivers import HOST, MAX_RECEIVERS, Receiver
from recommender_operator.resources.options import Options

PREFIX = "RECOMMENDER_"
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
#: Valid in RE2 and Python, as in the chart's schema. The console has the root of its host.
CONSOLE_URL = rf"^(https?://[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:{_PORT})?/?)?$"


class SettingsError(Exception):
    """The environment is invalid; the message has each variable, its value and the remedy."""


def _names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    names = tuple(part.strip() for part in value.split(",") if part.strip())
    for name in names:
        if not re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", name):
            raise ValueError(f"{name!r} is not a Kubernetes name; separate names by commas")
    return names


def _addresses(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(base_url.normalise(part.strip()) for part in value.split(",") if part.strip())


def _parsed(text: str) -> Any:
    """Return the value of a JSON text; None if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _lists(value: str, example: str) -> dict[str, list[str]]:
    """Return a JSON object of lists of texts."""
    read = _parsed(value)
    if not isinstance(read, dict) or not all(
        isinstance(texts, list) and all(isinstance(text, str) for text in texts)
        for texts in read.values()
    ):
        raise ValueError(f"it must be JSON such as {example}")
    return read


def _policy(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return host_names.policy(_lists(value, '{"shop": ["shop.example.com"]}'))


def _accounts(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return service_accounts.policy(_lists(value, '{"shop": ["trainer"]}'))


def _query(value: Any) -> Any:
    if isinstance(value, str) and value:
        base_url.query_template(value)
    return value


def _address(value: Any) -> Any:
    return base_url.normalise(value) if isinstance(value, str) and value else value


def _server(value: Any) -> Any:
    """Return a base URL as it is in the chart, whose admission policy compares it."""
    if isinstance(value, str) and value:
        base_url.normalise(value)
        return value.rstrip("/")
    return value


def _console(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(CONSOLE_URL, value) is None:
        raise ValueError("it must be http(s)://HOST[:PORT] without a path")
    return _address(value)


def _peers(value: Any) -> Any:
    example = '[{"podSelector": {"matchLabels": {"app": "prometheus"}}}]'
    fields = {"podSelector", "namespaceSelector", "ipBlock"}
    return _policy_parts(value, "from", fields, dict, example)


def _egress(value: Any) -> Any:
    example = '[{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 443}]}]'
    return _policy_parts(value, "egress", {"to", "ports"}, list, example)


def _policy_parts(value: Any, of: str, fields: set[str], kind: type, example: str) -> Any:
    """Return a list of parts of a NetworkPolicy; an empty part would admit everything."""
    if not isinstance(value, str):
        return value
    read = _parsed(value)
    if not isinstance(read, list) or not all(
        isinstance(entry, dict)
        and bool(entry)
        and set(entry) <= fields
        and all(isinstance(part, kind) and (kind is dict or part) for part in entry.values())
        for entry in read
    ):
        raise ValueError(
            f"it must be a JSON list of `{of}` entries of a NetworkPolicy, such as {example}"
        )
    return tuple(read)


def _receivers(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        found = _RECEIVERS.validate_json(value)
    except pydantic.ValidationError as error:
        problem = error.errors(include_input=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise ValueError(f"{place}: {problem['msg']}".removeprefix(": ")) from None
    names = [receiver.name for receiver in found]
    if len(names) > MAX_RECEIVERS or len(set(names)) < len(names):
        raise ValueError(f"names must differ, and there may be {MAX_RECEIVERS} receivers")
    return found


def _hosts(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    hosts = tuple(part.strip() for part in value.split(",") if part.strip())
    for host in hosts:
        if re.fullmatch(HOST, host) is None:
            raise ValueError(f"{host!r} is not HOST or HOST:PORT in lower case")
    return hosts


_RECEIVERS = pydantic.TypeAdapter(tuple[Receiver, ...])
Receivers = Annotated[tuple[Receiver, ...], pydantic.BeforeValidator(_receivers)]
Hosts = Annotated[tuple[str, ...], pydantic.BeforeValidator(_hosts)]
Names = Annotated[tuple[str, ...], pydantic.BeforeValidator(_names)]
Addresses = Annotated[tuple[str, ...], pydantic.BeforeValidator(_addresses)]
HostPolicy = Annotated[host_names.Policy, pydantic.BeforeValidator(_policy)]
Accounts = Annotated[service_accounts.Policy, pydantic.BeforeValidator(_accounts)]
Peers = Annotated[
    tuple[dict[str, Any], ...], pydantic.BeforeValidator(_peers), Field(max_length=20)
]
Egress = Annotated[
    tuple[dict[str, Any], ...], pydantic.BeforeValidator(_egress), Field(max_length=20)
]
Port = Annotated[int, Field(ge=1, le=65535)]
Image = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^\S+$")]
Name = Annotated[str, Field(max_length=253, pattern=rf"^{_LABEL}(\.{_LABEL})*$")]
SecretName = Annotated[str, Field(max_length=253, pattern=rf"^({_LABEL}(\.{_LABEL})*)?$")]
Entry = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]{1,253}$")]


class Settings(pydantic.BaseModel):
    """All settings, validated."""

    model_config = pydantic.ConfigDict(frozen=True, extra="ignore")

    training_image: Image
    serving_image: Image
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: Names = ()
    triton_runtime: Name = "recommender-triton"
    gateway_name: Name = "recommender-gateway"
    gateway_namespace: Name = "recommender-gateway"
    gateway_section: Annotated[str, Field(pattern=rf"^({_LABEL}(\.{_LABEL})*)?$")] = ""
    gateway_domain: Name = "recommender.local"
    host_suffixes: HostPolicy = ()
    prometheus_urls: Addresses = ()
    service_accounts: Accounts = ()
    keda: bool = False
    keda_prometheus_url: Annotated[str, pydantic.BeforeValidator(_server)] = ""
    gateway_losses_url: Annotated[str, pydantic.BeforeValidator(_address)] = ""
    gateway_losses_query: Annotated[
        str, Field(max_length=1000), pydantic.BeforeValidator(_query)
    ] = ""
    isolate_triton: bool = True
    metrics_from: Peers = ()
    model_egress: Egress = ()
    serving_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    serving_log_format: Literal["json", "text"] = "json"
    log_key_secret: SecretName = ""
    log_key_entry: Entry = "key"
    tracing_endpoint: Annotated[str, pydantic.BeforeValidator(_address)] = ""
    tracing_ratio: Annotated[float, Field(ge=0, le=1)] = 0.01
    store_url: Annotated[str, Field(max_length=253, pattern=r"^(rediss?://[^\s@]+)?$")] = ""
    store_secret: SecretName = ""
    store_entry: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]{0,253}$")] = ""
    store_ca_secret: SecretName = ""
    collector_url: Annotated[str, Field(max_length=253, pattern=r"^(https?://[^\s@/]+)?$")] = ""
    collector_files: Annotated[str, Field(max_length=766)] = ""
    experiments_url: Annotated[str, Field(max_length=253, pattern=r"^(https?://[^\s@/]+)?$")] = ""
    collector_secret: Annotated[str, Field(max_length=253)] = ""
    experiments_token_file: Annotated[str, Field(max_length=500)] = ""
    notifications: Receivers = ()
    notifications_dir: Annotated[str, Field(max_length=500)] = "/etc/recommender/notifications"
    notification_hosts: Hosts = ()
    console_url: Annotated[str, Field(max_length=512), pydantic.BeforeValidator(_console)] = ""
    namespace: Name
    watch_namespaces: Names = ()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "text"] = "json"
    workers: Annotated[int, Field(ge=1, le=200)] = 10
    fault_injection: bool = False
    retrainings_at_once: Annotated[int, Field(ge=0, le=10000)] = 0
    retrainings_per_day: Annotated[int, Field(ge=0, le=10000)] = 0
    requeue_seconds: Annotated[int, Field(ge=5, le=3600)] = 300
    instance: Annotated[str, Field(max_length=40, pattern=rf"^({_LABEL})?$")] = ""
    lease_name: Name = "recommender-operator"
    lease_seconds: Annotated[int, Field(ge=1, le=300)] = 10
    pod_name: Name = "recommender-operator"
    look_seconds: Annotated[int, Field(ge=1, le=600)] = 60
    stall_seconds: Annotated[int, Field(ge=1, le=3600)] = 180
    health_port: Port = 8080
    metrics_port: Port = 9090

    @pydantic.model_validator(mode="after")
    def _has_a_query(self) -> Self:
        if self.gateway_losses_url and not self.gateway_losses_query:
            raise ValueError(
                "RECOMMENDER_GATEWAY_LOSSES_QUERY is not set: RECOMMENDER_GATEWAY_LOSSES_URL "
                "needs it; the chart sets it from gateway.lostRequests.query"
            )
        return self

    @property
    def release(self) -> str:
        """The release of this process, whose replicas share a lease."""
        return f"{self.namespace}/{self.lease_name}"

    @property
    def options(self) -> Options:
        """The settings that manifests depend on."""
        same = {each.name for each in dataclasses.fields(Options)} & set(Settings.model_fields)
        return Options(
            **{name: getattr(self, name) for name in same},
            domain=self.gateway_domain,
            host_policy=self.host_suffixes,
            store_namespace=self.namespace,
        )


#: Maximum length of a value in a message, in characters.
_SHOWN = 100


def load(environment: Mapping[str, str]) -> Settings:
    """Return the settings in an environment.

    An empty variable counts as absent, unless empty is a valid value.

    Raises:
        SettingsError: a variable is invalid; the message has one line for each of them.
    """
    values = {}
    for field in Settings.model_fields:
        value = environment.get(variable(field))
        if value is not None and (value.strip() or field == "gateway_section"):
            values[field] = value.strip()
    try:
        return Settings.model_validate(values)
    except pydantic.ValidationError as error:
        raise SettingsError("\n".join(_line(problem) for problem in error.errors())) from error


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def _line(problem: Any) -> str:
    if not problem["loc"]:
        return str(problem["msg"]).removeprefix("Value error, ")
    name = variable(str(problem["loc"][0]))
    if problem["type"] == "missing":
        return f"{name} is not set: it is required; the chart sets it"
    value = str(problem["input"])[:_SHOWN]
    remedy = str(problem["msg"])
    return f"{name}={value!r} is not valid: {remedy[:1].lower()}{remedy[1:]}"
