"""The Secret with which a transformer shows the collector who it is, and signs request ids."""

from __future__ import annotations

from recommender_contract import environment
from recommender_operator.observed import ModelObject
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options

VOLUME = "collector-keys"
FOLDER = "/etc/recommender-collector"


def is_given(model: ModelObject, options: Options) -> bool:
    """Return whether transformers of the model get the Secret, which is of one namespace."""
    return bool(options.collector_secret) and model.namespace == options.store_namespace


def volumes(model: ModelObject, options: Options) -> list[Manifest]:
    """Return the volume; without its Secret a transformer answers too, and signs nothing."""
    if not is_given(model, options):
        return []
    secret = {"secretName": options.collector_secret, "optional": True}
    return [{"name": VOLUME, "secret": secret}]


def mounts(model: ModelObject, options: Options) -> list[Manifest]:
    """Return the mount of the whole folder, so that a rotated Secret arrives."""
    if not is_given(model, options):
        return []
    return [{"name": VOLUME, "mountPath": FOLDER, "readOnly": True}]


def variable(model: ModelObject, options: Options) -> dict[str, str]:
    """Return the variable with the folder."""
    return {environment.COLLECTOR_KEYS: FOLDER} if is_given(model, options) else {}
