"""Kopf's connection to the API server, whose writes are fenced like the operator's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import aiohttp
import kopf

from recommender_operator.adapters.kube import NotLeaderError

#: Methods that change nothing; a watch is a GET.
READS = frozenset({"GET", "HEAD", "OPTIONS"})


class FencedError(aiohttp.ClientConnectionError):
    """A write that was not sent. To Kopf it is a lost connection, which it tries again."""


def connect(fence: Callable[[], None], **kwargs: Any) -> kopf.AiohttpSession | None:
    """Return a session as `log_in` chooses its cluster; None if there is none.

    `fence` raises NotLeaderError if this process may not write. `kwargs` are those of a handler
    of Kopf's, which asks again when a token has expired.
    """
    inside = None if os.environ.get("KUBECONFIG") else kopf.login_with_service_account(**kwargs)
    found = inside or kopf.login_with_kubeconfig(**kwargs)
    if found is None:
        return None

    async def fenced(
        request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if request.method not in READS:
            try:
                fence()
            except NotLeaderError as error:
                raise FencedError(str(error)) from error
        return await send(request)

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=found.as_ssl_context()),
        headers=found.as_http_headers(),
        proxy=found.proxy_url,
        trust_env=found.trust_env,
        middlewares=(fenced,),
    )
    return kopf.AiohttpSession(
        server=found.server,
        priority=found.priority,
        default_namespace=found.default_namespace,
        expiration=found.expiration,
        aiohttp_session=session,
    )
