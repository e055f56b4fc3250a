"""Ownership of objects. The operator writes only objects that the model's uid controls.

The controller is the owner reference with `controller: true`, of which the API server allows only
one. A name proves nothing: anybody may create an object of that name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from recommender_contract.api_names import GROUP
from recommender_operator.observed import ModelObject
from recommender_operator.resources import labels, names
from recommender_operator.resources.labels import Manifest

#: Maximum number of owners in a message.
MAX_OWNERS = 3
_PREFIX = f"{GROUP}/"


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Foreign:
    """An object with a name that the operator needs, controlled by something else."""

    kind: str
    namespace: str
    name: str
    owner: str

    @property
    def message(self) -> str:
        """The object, its owner, and the remedy."""
        return (
            f"{self.kind} {self.namespace}/{self.name} does not belong to this model "
            f"({self.owner}), and the operator does not change it. Rename the model, or delete or "
            f"move the {self.kind}"
        )


def controller_of(thing: Manifest) -> Manifest | None:
    """Return the owner reference of an object's controller; None without a controller."""
    return next((owner for owner in _owners(thing) if owner.get("controller")), None)


def owned_by(thing: Manifest, uids: Collection[str]) -> bool:
    """Return whether one of the uids controls an object."""
    controller = controller_of(thing)
    return controller is not None and controller.get("uid") in uids


def outlived_version(thing: Manifest, uids: Collection[str]) -> bool:
    """Return whether an object has lost the ModelVersion that controlled it, and one of the uids
    owns it as well: garbage collection has removed the reference, or has not yet.
    """
    controller = controller_of(thing)
    if controller is not None:
        group, _, _ = str(controller.get("apiVersion", "")).partition("/")
        lost = controller.get("uid") not in uids
        if (group, controller.get("kind"), lost) != (GROUP, "ModelVersion", True):
            return False
    return any(owner.get("uid") in uids for owner in _owners(thing))


def is_kept_with_model(thing: Manifest, model: ModelObject) -> bool:
    """Return whether garbage collection keeps an object as long as the model exists."""
    return any(owner.get("uid") == model.uid for owner in _owners(thing))


def with_owners(thing: Manifest, made: Sequence[Manifest]) -> list[Manifest]:
    """Return an object's owner references with these first, and the others, which control nothing.

    The chart's admission policy refuses to drop a controller. Garbage collection removes the
    reference to an owner that is gone.
    """
    uids = {owner["uid"] for owner in made}
    others = [owner for owner in _owners(thing) if owner.get("uid") not in uids]
    return [*made, *({**owner, "controller": False} for owner in others)]


def is_the_same(stored: Manifest | None, wanted: Manifest) -> bool:
    """Return whether an object is stored and has the owner and the spec of one made now."""
    if stored is None:
        return False
    owner = wanted["metadata"]["ownerReferences"][0]["uid"]
    return owned_by(stored, {owner}) and bool(stored["spec"] == wanted["spec"])


def foreign(kind: str, thing: Manifest) -> Foreign:
    """Return the description of an object that does not belong to the model."""
    metadata, controller = thing["metadata"], controller_of(thing)
    if controller is not None:
        owner = f"its controller is {_called(controller)}"
    elif owners := _owners(thing):
        listed = ", ".join(_called(owner) for owner in owners[:MAX_OWNERS])
        owner = f"no controller; owned by {listed}"
    else:
        owner = "no owner"
    return Foreign(kind=kind, namespace=metadata["namespace"], name=metadata["name"], owner=owner)


def is_orphan(version: Manifest) -> bool:
    """Return whether a ModelVersion has no controller and no owner of the operator's API."""
    return controller_of(version) is None and not any(
        str(owner.get("apiVersion", "")).startswith(_PREFIX) for owner in _owners(version)
    )


def may_be_adopted(version: Manifest, model: ModelObject) -> bool:
    """Return whether the operator created an orphaned ModelVersion for this model.

    Its spec, name and labels must be those that the operator gives to a version of the model.
    """
    metadata, spec = version["metadata"], version.get("spec") or {}
    name = metadata["name"]
    given = metadata.get("labels") or {}
    wanted = labels.of_version(model.name, name)
    return (
        is_orphan(version)
        and spec.get("model") == model.name
        and name == names.version_name(model.name, str(spec.get("specHash", "")))
        and all(given.get(key) == value for key, value in wanted.items())
    )


def _owners(thing: Manifest) -> list[Manifest]:
    return thing["metadata"].get("ownerReferences") or []


def _called(owner: Manifest) -> str:
    return f"{owner.get('kind')}/{owner.get('name')}"
