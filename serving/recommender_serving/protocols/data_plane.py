"""What REST and gRPC share: KServe's data plane and model repository, adapted to fallbacks."""

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
# What KServe's decoding of a malformed v2 body can raise.
MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, struct.error)
#: Counts refused instances.
Invalid = Callable[[int], None]


class ServingDataPlane(DataPlane):  # type: ignore[misc]
    """Tells readiness, which probes ask for, from the ability to answer, which requests need.

    KServe's own would refuse requests while Triton is away, which is when the fallbacks matter.
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
        """Answer a probe, or (health check disabled) say whether a request can be answered."""
        if self._model_registry.get_model(model_name) is None:
            raise ModelNotFound(model_name)
        return disable_predictor_health_check or await self._readiness.ready()

    def decode(self, body: Any, *args: Any, **kwargs: Any) -> Any:
        """Decode a body; one that is malformed is the caller's mistake, not an error here."""
        try:
            return super().decode(body, *args, **kwargs)
        except InvalidInput as error:
            raise InvalidInput(f"{error}; send a body of the inference protocol") from error
        except MALFORMED as error:
            raise InvalidInput(
                f"the body breaks the inference protocol ({type(error).__name__}: {error})"
            ) from error


class ClosedRepository(ModelRepositoryExtension):  # type: ignore[misc]
    """Refuses to load or unload: KServe's own lets any caller unload the model."""

    async def load(self, model_name: str) -> None:
        """Refuse."""
        raise NotImplementedError(f"{model_name} is loaded for the life of this server")

    async def unload(self, model_name: str) -> None:
        """Refuse."""
        raise NotImplementedError(f"{model_name} is loaded for the life of this server")
