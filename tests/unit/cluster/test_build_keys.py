"""A build is found again only while all that goes into it is the same."""

import dataclasses
import re

import pytest

from tests.cluster import groups, settings, versions

FILES = [("go.mod", b"module a"), ("go.sum", b"x h1:y")]


def test_the_key_is_steady_whatever_the_order_of_files() -> None:
    assert groups.key(groups.ETCD, "go1.26.8", FILES) == groups.key(
        groups.ETCD, "go1.26.8", FILES[::-1]
    )


@pytest.mark.parametrize(
    ("group", "go", "files"),
    [
        (groups.ETCD, "go1.26.9", FILES),
        (groups.ETCD, "go1.26.8", [("go.mod", b"module a"), ("go.sum", b"x h1:z")]),
        (groups.ETCD, "go1.26.8", FILES[:1]),
        (dataclasses.replace(groups.ETCD, ldflags="-s"), "go1.26.8", FILES),
        (groups.COREDNS, "go1.26.8", FILES),
    ],
    ids=["other Go", "other digest", "a file less", "other flags", "other group"],
)
def test_the_key_changes_with(
    group: groups.Group, go: str, files: list[tuple[str, bytes]]
) -> None:
    assert groups.key(group, go, files) != groups.key(groups.ETCD, "go1.26.8", FILES)


@pytest.mark.parametrize("module", versions.MODULES, ids=lambda module: module.group)
def test_go_mod_requires_the_version_that_versions_py_names(module: versions.Module) -> None:
    text = (settings.GO_FOLDER / module.group / "go.mod").read_text()
    pattern = rf"^(?:require |\t){re.escape(module.path)} v(\S+)"
    assert re.findall(pattern, text, re.MULTILINE) == [module.version]
