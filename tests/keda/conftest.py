"""A real KEDA, and an API server of its own: the controllers would act on other tests' objects."""

from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.cluster import api, keda, settings
from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig
from tests.keda import in_flight, usage
from tests.keda.in_flight import Requests
from tests.keda.scaled_model import ScaledModel

#: Added to the ports of the API server of the integration tests, so that both can run.
PORT_OFFSET = 500


@pytest.fixture(scope="session")
def cluster() -> Iterator[pathlib.Path]:
    """Start an API server with KEDA; its kubeconfig is that of `operator_api_rig`."""
    here, beside = settings.apiserver_layout(), settings.state_folder()
    offset = here.api_port - settings.API_PORT + PORT_OFFSET
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOMMENDER_STATE", str(beside.with_name(f"{beside.name}-keda")))
        patch.setenv("RECOMMENDER_PORT_OFFSET", str(offset))
        api.stop_apiserver()
        rig.kubeconfig()
        try:
            yield keda.up()
        finally:
            api.stop_apiserver()


@pytest.fixture(scope="session")
def requests(
    cluster: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Requests]:
    """The requests in flight that KEDA sees, and the CPU that Kubernetes sees."""
    with (
        usage.served(settings.apiserver_layout()),
        in_flight.scraped(tmp_path_factory.mktemp("prometheus")) as found,
    ):
        yield found


@pytest.fixture(scope="session")
def config(requests: Requests, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The kubeconfig of the account of a release that scales by KEDA."""
    return account.with_keda(requests.server).config(tmp_path_factory.mktemp("account"))


@pytest.fixture
async def model(config: pathlib.Path, requests: Requests) -> AsyncIterator[ScaledModel]:
    """A model to create, in a namespace of its own, and the operator that looks at it."""
    operator, admin = rig.open_kube(config), rig.open_kube(rig.kubeconfig())
    made = ScaledModel(operator, admin, rig.new_namespace(), requests.server)
    yield made
    await operator.close()
    await admin.close()
