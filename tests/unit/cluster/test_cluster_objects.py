"""Mistakes in the objects of the cluster that would show much later."""

import pytest

from tests.cluster import node, objects


def test_a_placeholder_without_a_value_is_an_error() -> None:
    assert objects.fill("port: @port@", {"port": 1}) == "port: 1"
    with pytest.raises(KeyError):
        objects.fill("port: @port@", {})


def test_pods_never_get_a_name_server_that_leads_to_themselves() -> None:
    text = "search a\nnameserver 127.0.0.53\nnameserver ::1\nnameserver 9.9.9.9\n"
    assert node.upstream_resolvers(text) == "nameserver 9.9.9.9\n"
    assert node.upstream_resolvers("nameserver 127.0.0.1\n").startswith("nameserver ")
