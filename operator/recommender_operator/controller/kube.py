"""The port to the API server."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

#: An API object as JSON.
Object = dict[str, Any]
#: The fields of an object that a reader names, as a struct.
Fields = TypeVar("Fields", bound=msgspec.Struct)


@dataclasses.dataclass(frozen=True)
class Resource:
    """A namespaced resource."""

    group: str
    version: str
    plural: str

    @property
    def name(self) -> str:
        """The name of its CRD, or the plural of a built-in kind."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def base(self) -> str:
        """The URL path of its group and version."""
        if not self.group:
            return f"/api/{self.version}"
        return f"/apis/{self.group}/{self.version}"

    def path(self, namespace: str | None, name: str | None = None, sub: str | None = None) -> str:
        """Return the path of the collection, of one object or of its subresource."""
        parts = [self.base]
        if namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, sub) if part]
        return "/".join(parts)


PODS = Resource("", "v1", "pods")

#: Cause of a rejected creation (`corev1.NamespaceTerminatingCause`).
NAMESPACE_TERMINATING = "NamespaceTerminating"
#: Rejections that pass: the login, a timeout, a conflict, too many requests.
_PASSING = frozenset({401, 408, 409, 429})


class KubeError(Exception):
    """The API server rejected a request or is unreachable.

    `status` is the HTTP status, 0 without a response. `reason` and `causes` are from the server's
    Status object.
    """

    def __init__(
        self, message: str, *, status: int = 0, reason: str = "", causes: Collection[str] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.causes = frozenset(causes)

    @property
    def namespace_terminating(self) -> bool:
        """True if creation is impossible because the namespace is being deleted."""
        return NAMESPACE_TERMINATING in self.causes

    @property
    def refuses_object(self) -> bool:
        """True if the object itself was rejected, so that another try at once is of no use."""
        passes = self.namespace_terminating or self.status in _PASSING
        return 400 <= self.status < 500 and not passes


class ConflictError(KubeError):
    """An object changed since it was read (409): read again, and decide again."""


class NotLeaderError(Exception):
    """This process may not write, because it does not lead; no request was sent."""


class Kube(Protocol):
    """The operations of the API server that the operator uses. All methods raise KubeError.

    Writes raise ConflictError if their precondition is not met; clients do not retry those. Before
    each try, they raise NotLeaderError if this process may not write.
    """

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return an object; None if it, or its kind, does not exist."""
        ...

    async def list(
        self, resource: Resource, namespace: str | None, labels: Mapping[str, str]
    ) -> list[Object]:
        """Return the objects with all labels; none if the kind does not exist."""
        ...

    async def list_fields(
        self, resource: Resource, namespace: str | None, fields: type[Fields]
    ) -> Sequence[Fields]:
        """Return these fields of all objects, which costs a fraction of parsing whole ones.

        None if the kind does not exist. An object with another type in a field is an error.
        """
        ...

    async def create(self, resource: Resource, manifest: Object) -> Object | None:
        """Create an object and return it; None if one with that name exists."""
        ...

    async def apply(self, resource: Resource, manifest: Object, *, over: Object | None) -> Object:
        """Apply an object on the server, with the operator's field manager, and return it.

        `over` is the object that was read; its uid and resourceVersion are preconditions. None
        means that the object must not exist.
        """
        ...

    async def apply_status(self, resource: Resource, manifest: Object) -> Object | None:
        """Apply only the status on the server, and return the object; None if it is deleted.

        The uid and the resourceVersion in the manifest's metadata are preconditions.
        """
        ...

    async def patch(
        self, resource: Resource, namespace: str, name: str, patch: Object
    ) -> Object | None:
        """Apply a JSON merge patch, and return the object; None if it does not exist.

        A uid and a resourceVersion in the patch's metadata are preconditions.
        """
        ...

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> bool:
        """Delete with background propagation; False if no object has this name and uid."""
        ...

    async def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        """Return the last lines of a container's log; empty if they are unavailable."""
        ...

    async def serves(self, resource: Resource) -> bool:
        """Return whether the API server serves the kind."""
        ...
