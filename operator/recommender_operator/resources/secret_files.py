"""Files of Secrets in a transformer: its password of the store, and the key of its logs.

A missing Secret keeps no version from serving: the transformer answers without history, or shows
users by names of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recommender_contract import environment
from recommender_operator.observed import ModelObject
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options

_FOLDER = "/etc/recommender"


@dataclass(frozen=True)
class SecretFile:
    """An entry of a Secret that a transformer mounts."""

    volume: str
    secret: str
    entry: str
    variable: str  # with the path of the file

    @property
    def folder(self) -> str:
        return f"{_FOLDER}/{self.volume}"


def secret_files_of(model: ModelObject, options: Options) -> tuple[SecretFile, ...]:
    """Return the files of the transformers of a model."""
    return tuple(_files(model, options))


def _files(model: ModelObject, options: Options) -> Iterator[SecretFile]:
    if reads_store(model, options):
        if options.store_secret:
            entry = options.store_entry or reader(model)
            variable = environment.STORE_PASSWORD_FILE
            yield SecretFile("store-password", options.store_secret, entry, variable)
        if options.store_ca_secret:
            yield SecretFile("store-ca", options.store_ca_secret, "ca.crt", environment.STORE_CA)
    if options.log_key_secret:
        yield SecretFile(
            "log-key",
            options.log_key_secret,
            options.log_key_entry,
            environment.LOG_USER_KEY_FILE,
        )


def reads_store(model: ModelObject, options: Options) -> bool:
    """Return whether the transformers of a model read the store, which is of one namespace."""
    return bool(options.store_url) and model.namespace == options.store_namespace


def reader(model: ModelObject) -> str:
    """Return the user of the store that reads this model, which is also its entry."""
    return f"reader-{model.name}"


def variables(model: ModelObject, options: Options) -> dict[str, str]:
    """Return the environment variables that name the files, and the user of the store."""
    found = {
        each.variable: f"{each.folder}/{each.entry}" for each in secret_files_of(model, options)
    }
    if environment.STORE_PASSWORD_FILE in found and not options.store_entry:
        found[environment.STORE_USER] = reader(model)
    return found


def mounts(model: ModelObject, options: Options) -> list[Manifest]:
    """Return the volume mounts of the transformer's container."""
    return [
        {"name": each.volume, "mountPath": each.folder, "readOnly": True}
        for each in secret_files_of(model, options)
    ]


def mounted(pods: Manifest, model: ModelObject, options: Options) -> Manifest:
    """Return the spec of pods with a transformer, with the volumes of its Secrets."""
    volumes: list[Manifest] = [
        {
            "name": each.volume,
            "secret": {
                "secretName": each.secret,
                "items": [{"key": each.entry, "path": each.entry}],
                "optional": True,
            },
        }
        for each in secret_files_of(model, options)
    ]
    return {**pods, "volumes": [*pods["volumes"], *volumes]}
