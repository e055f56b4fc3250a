"""A real API server with the definitions, and specs for its rules to judge."""

from __future__ import annotations

import contextlib
import copy
import json
import pathlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from recommender_operator.api import crd
from tests.cluster import api

Json = dict[str, Any]
GROUP, VERSION = "recommender.dev", "v1alpha1"
SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "manifests" / "samples"


class Server:
    """The API server with the definitions, and a namespace of the test's own."""

    def __init__(self, connection: client.ApiClient) -> None:
        self._objects = client.CustomObjectsApi(connection)
        self._core = client.CoreV1Api(connection)
        self._definitions = client.ApiextensionsV1Api(connection)
        self.namespace = f"rules-{uuid.uuid4().hex[:8]}"

    def install(self) -> None:
        for name, definition in crd.render_all().items():
            self._definitions.patch_custom_resource_definition(
                name.removesuffix(".yaml"),
                definition,
                field_manager="test",
                force=True,
                field_validation="Strict",
                _content_type="application/apply-patch+yaml",
            )
        self._core.create_namespace({"metadata": {"name": self.namespace}})

    def conditions(self, name: str) -> dict[str, str]:
        found = self._definitions.read_custom_resource_definition(name.removesuffix(".yaml"))
        return {c.type: c.status for c in found.status.conditions or ()}

    def create(self, body: Json, plural: str = "recommendermodels", **options: Any) -> Json:
        created: Json = self._objects.create_namespaced_custom_object(
            GROUP, VERSION, self.namespace, plural, body, **options
        )
        return created

    def apply(self, name: str, body: Json, manager: str) -> Json:
        """Apply on the server; fields of other managers are in conflict."""
        where = (GROUP, VERSION, self.namespace, "recommendermodels", name)
        form = "application/apply-patch+yaml"
        self._objects.patch_namespaced_custom_object(
            *where, body, field_manager=manager, _content_type=form
        )  # The client returns nothing for what it creates.
        stored: Json = self._objects.get_namespaced_custom_object(*where)
        return stored

    def patch(self, name: str, body: Json, plural: str = "recommendermodels") -> Json:
        patched: Json = self._objects.patch_namespaced_custom_object(
            GROUP,
            VERSION,
            self.namespace,
            plural,
            name,
            body,
            _content_type="application/merge-patch+json",
        )
        return patched

    def remove(self) -> None:
        self._core.delete_namespace(self.namespace)


@contextlib.contextmanager
def installed() -> Iterator[Server]:
    """A server with the definitions, for the tests of one module."""
    connection = config.new_client_from_config(str(api.ensure_apiserver()))
    server = Server(connection)
    server.install()
    _until_served(server)
    yield server
    server.remove()
    connection.close()


def _until_served(server: Server) -> None:
    """A new definition takes a moment to apply; the probe is a dry run."""
    for attempt in range(200):
        try:
            server.create(sample("minimal"), dry_run="All")
        except ApiException as error:
            if error.status != 404 or attempt == 199:
                raise
        else:
            return


def sample(name: str) -> Json:
    """Return a sample of the documentation."""
    document: Json = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    return document


def changed(path: str, value: Any) -> Json:
    """Return the sample `canary` with one field of its spec (or its name) replaced."""
    body = copy.deepcopy(sample("canary"))
    node = body if path == "metadata.name" else body["spec"]
    *parents, last = path.split(".")
    for part in parents:
        node = node.setdefault(part, {})
    node[last] = value
    return body


def refusal(call: Callable[[], object]) -> str:
    """Return why the API server rejects the object of a call."""
    with pytest.raises(ApiException) as caught:
        call()
    assert caught.value.status == 422
    return str(json.loads(caught.value.body)["message"])
