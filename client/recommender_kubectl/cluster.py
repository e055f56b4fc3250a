"""The API server, with the user's own kubeconfig."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from recommender_contract.api_names import API_VERSION, GROUP, MODEL_LABEL
from recommender_kubectl import fields
from recommender_kubectl.objects import Model, Version

#: Seconds until a request fails: to connect, and to read.
_TIMEOUT = (5, 15)
#: Objects in one page of a list.
_PAGE = 500
#: What the client raises for a file that is no kubeconfig: it expects a mapping of lists.
_UNUSABLE = (
    config.ConfigException, OSError, yaml.YAMLError, UnicodeError, TypeError, AttributeError,
    KeyError,
)  # fmt: skip


class ClusterError(Exception):
    """The API server gave no answer, or refused; the text has the remedy."""


class ConflictError(Exception):
    """The object has changed since it was read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """Where to look, as kubectl's flags say; None is the kubeconfig's own choice."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None


class Cluster:
    """Reads and patches models, in one namespace unless all are asked for."""

    def __init__(self, connection: client.ApiClient, namespace: str) -> None:
        self._connection = connection
        self._objects = client.CustomObjectsApi(connection)
        self.namespace = namespace

    def model(self, name: str) -> Model:
        """Return a model.

        Raises:
            ClusterError: it does not exist, or cannot be read.
        """
        with _explained("get", fields.MODELS, self.namespace, name):
            found = self._objects.get_namespaced_custom_object(
                GROUP, API_VERSION, self.namespace, fields.MODELS, name,
                _request_timeout=_TIMEOUT,
            )  # fmt: skip
        return fields.read_model(found)

    def models(self, *, everywhere: bool = False) -> list[Model]:
        """Return the models of the namespace, or of all, by name."""
        found = [fields.read_model(one) for one in self._list(fields.MODELS, everywhere)]
        return sorted(found, key=lambda one: (one.namespace, one.name))

    def versions(self, model: str) -> list[Version]:
        """Return the versions of a model."""
        selector = f"{MODEL_LABEL}={model}"
        return [fields.read_version(one) for one in self._list(fields.VERSIONS, False, selector)]

    def versions_of_all(self, *, everywhere: bool) -> dict[tuple[str, str], list[Version]]:
        """Return the versions by namespace and name of their model."""
        found: dict[tuple[str, str], list[Version]] = {}
        for body in self._list(fields.VERSIONS, everywhere):
            key = (body["metadata"]["namespace"], fields.model_of(body))
            found.setdefault(key, []).append(fields.read_version(body))
        return found

    def patch(self, name: str, patch: dict[str, Any], *, dry_run: bool = False) -> Model:
        """Apply a merge patch to a model, and return the new one.

        Raises:
            ConflictError: the model has changed since the resourceVersion of the patch.
            ClusterError: the API server refused it.
        """
        options: dict[str, Any] = {"dry_run": "All"} if dry_run else {}
        with _explained("patch", fields.MODELS, self.namespace, name):
            changed = self._objects.patch_namespaced_custom_object(
                GROUP, API_VERSION, self.namespace, fields.MODELS, name, patch,
                field_manager="kubectl-recommender",
                _content_type="application/merge-patch+json", _request_timeout=_TIMEOUT, **options,
            )  # fmt: skip
        return fields.read_model(changed)

    def _list(self, plural: str, everywhere: bool, selector: str = "") -> list[dict[str, Any]]:
        kind = (GROUP, API_VERSION)
        options = {"label_selector": selector, "limit": _PAGE, "_request_timeout": _TIMEOUT}
        found: list[dict[str, Any]] = []
        after = ""
        with _explained("list", plural, None if everywhere else self.namespace):
            while True:
                if after:
                    options["_continue"] = after
                if everywhere:
                    page = self._objects.list_cluster_custom_object(*kind, plural, **options)
                else:
                    page = self._objects.list_namespaced_custom_object(
                        *kind, self.namespace, plural, **options
                    )
                found += page["items"]
                after = page["metadata"].get("continue", "")
                if not after:
                    return found


@contextlib.contextmanager
def opened(target: Target) -> Iterator[Cluster]:
    """Connect as the kubeconfig says.

    Raises:
        ClusterError: there is no usable kubeconfig.
    """
    try:
        _, active = config.list_kube_config_contexts(target.kubeconfig)
        connection = config.new_client_from_config(target.kubeconfig, target.context)
        chosen = active
        if target.context is not None:
            known, _ = config.list_kube_config_contexts(target.kubeconfig)
            chosen = next(one for one in known if one["name"] == target.context)
    except _UNUSABLE as error:
        said = " ".join(str(error).split())
        raise ClusterError(f"no usable kubeconfig (--kubeconfig, --context): {said}") from error
    namespace = target.namespace or chosen["context"].get("namespace") or "default"
    connection.configuration.retries = False
    try:
        yield Cluster(connection, namespace)
    finally:
        connection.close()


@contextlib.contextmanager
def _explained(
    verb: str, plural: str, namespace: str | None, name: str | None = None
) -> Iterator[None]:
    """Turn an error of the client into one with a remedy."""
    where = f"namespace {namespace}" if namespace else "all namespaces"
    try:
        yield
    except ApiException as error:
        if error.status == 409:
            raise ConflictError from error
        raise ClusterError(_reason(error, verb, plural, where, name)) from error
    except urllib3.exceptions.HTTPError as error:
        raise ClusterError(f"the API server does not answer: {error}") from error


def _reason(error: ApiException, verb: str, plural: str, where: str, name: str | None) -> str:
    said = _message(error)
    if error.status == 401:
        return f"the API server does not accept the kubeconfig's user: {said}"
    if error.status == 403:
        right = f'verbs ["{verb}"] of {plural} in the group {GROUP}'
        return f"you may not {verb} {plural} in {where}; a Role needs {right}: {said}"
    if error.status == 404 and name is not None and name in said:
        return f"there is no model {name!r} in {where} (-n names another namespace)"
    if error.status == 404:
        return f"the cluster has no {plural}.{GROUP}: is the chart installed?"
    return f"the API server answers {error.status}: {said}"


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.body or error.reason)
