"""What happens on an error, and what an existing cluster is asked for."""

from pathlib import Path

import pytest

from tests.cluster import backends, images, pki, settings
from tests.cluster.buildah import Buildah
from tests.cluster.errors import ClusterError
from tests.cluster.layout import ImageLayout


def test_an_existing_cluster_takes_its_gateway_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLUSTER", "existing")
    monkeypatch.setenv("GATEWAY_URL", "http://gateway.test/")
    assert backends.selected().url() == "http://gateway.test"


def test_an_existing_cluster_may_have_a_gateway_of_another_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLUSTER", "existing")
    assert backends.selected().gateway() == settings.GATEWAY
    monkeypatch.setenv("GATEWAY", "edge/public")
    assert backends.selected().gateway() == ("edge", "public")
    monkeypatch.setenv("GATEWAY", "public")
    with pytest.raises(ClusterError, match="'public' is not the namespace/name of a Gateway"):
        backends.selected().gateway()


class Pushing(Buildah):
    """Remembers what it would have copied to a registry."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, ...]] = []
        self.layout = ImageLayout(Path("oci"))

    def call(self, *command: str, log: Path | None = None) -> str:
        self.commands.append(command)
        return ""


@pytest.mark.parametrize(
    ("registry", "verified"), [("localhost:5000/team", "false"), ("registry.test/team/", "true")]
)
def test_for_an_existing_cluster_images_are_pushed_and_named_as_it_pulls_them(
    monkeypatch: pytest.MonkeyPatch, registry: str, verified: str
) -> None:
    monkeypatch.setenv("CLUSTER", "existing")
    monkeypatch.setenv("IMAGE_REGISTRY", registry)
    engine = Pushing()
    names = images.load({"serving": "docker.io/recommender/serving:4af1"}, engine)
    target = f"{registry.rstrip('/')}/serving:4af1"
    assert names == {"serving": target}
    (command,) = engine.commands
    assert f"--dest-tls-verify={verified}" in command
    assert command[-2:] == ("oci:oci:docker.io/recommender/serving:4af1", f"docker://{target}")


@pytest.mark.parametrize("registry", ["", "https://registry.test"])
def test_without_a_registry_an_existing_cluster_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, registry: str
) -> None:
    monkeypatch.setenv("CLUSTER", "existing")
    monkeypatch.setenv("IMAGE_REGISTRY", registry)
    with pytest.raises(ClusterError, match=r"IMAGE_REGISTRY is .*: set it to a registry that"):
        images.load({"serving": "docker.io/recommender/serving:4af1"}, Pushing())


def test_a_kubeconfig_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    authority = pki.Authority(tmp_path)
    authority.prepare()
    path = authority.kubeconfig(tmp_path / "k.kubeconfig", "https://127.0.0.1:1", "user")
    assert path.stat().st_mode & 0o777 == 0o600
