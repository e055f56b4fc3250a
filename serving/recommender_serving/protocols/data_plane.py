"""KServe's data plane and model repository, adapted to fallbacks, for REST and gRPC."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from kserve.errors import InvalidInput, ModelNotFound
from kserve.model_repository import ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from recommender_serving.protocols.readiness import Readiness

MAX_BODY_BYTES = 4 * 1024 * 1024
# Exceptions of KServe's decoder for a malformed v2 body.
MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, struct.error)
#: Counts rejected instances.
Invalid = Callable[[int], None]


class ServingDataPlane(DataPlane):  # type: ignore[misc]
    """Separates readiness, for probes, from the ability to answer, for requests.

    KServe's own class rejects requests while Triton is unreachable, when fallbacks are needed.
    """

    def __init__(self, registry: ModelRepository, readiness: Readiness) -> None:
        super().__init__(model_registry=registry)
        self._readiness = readiness

    async def ready(self) -> bool:
        """Answer /v2/health/ready."""
        return await self._readiness.ready()

    async def model_ready(
        self, model_name: str, disable_predictor_health_check: bool = False
    ) -> bool:
        """Answer a probe or, with the health check disabled, whether the model can answer."""
        if self._model_registry.get_model(model_name) is None:
            raise ModelNotFound(model_name)
        return disable_predictor_health_check or await self._readiness.model_ready()

    def decode(self, body: Any, *args: Any, **kwargs: Any) -> Any:
        """Decode a body; a malformed one is an error of the client, not of the server."""
        try:
            return super().decode(body, *args, **kwargs)
        except InvalidInput as error:
            raise InvalidInput(f"{error}; send a body of the inference protocol") from error
        except MALFORMED as error:
            raise InvalidInput(
                f"the body violates the inference protocol ({type(error).__name__}: {error})"
            ) from error


class ClosedRepository(ModelRepositoryExtension):  # type: ignore[misc]
    """Rejects load and unload; KServe's own class lets any client unload the model."""

    async def load(self, model_name: str) -> None:
        """Reject the request."""
        raise NotImplementedError(f"{model_name} stays loaded for the lifetime of this server")

    async def unload(self, model_name: str) -> None:
        """Reject the request."""
        raise NotImplementedError(f"{model_name} stays loaded for the lifetime of this server")
