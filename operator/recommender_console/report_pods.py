"""Gets the report of a version from one of the pods that serve it.

The version and its pods are read with the visitor's token, which goes to the API server alone. A
pod is asked without it; what it says is believed if it has the digest that the version records.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import OrderedDict

import aiohttp

from recommender_console import report_digest
from recommender_console.cluster import Cluster, ClusterError
from recommender_console.object_details import SeenVersion
from recommender_console.report_digest import NoReportError
from recommender_contract.artifact import MANIFEST, MAX_PUBLISHED_BYTES, REPORT_PAGE

#: Port of the transformer, beside its metrics: no Gateway leads there.
PORT = 8080
#: Seconds for a file, and pods that are asked one after the other.
TIMEOUT, TRIES = 3.0, 3
#: Reports that are got at a time: what a pod sends stays in memory until it is checked.
FETCHES = 2
#: Reports that are kept: usually a few 100 KB.
KEPT = 8


class Reports:
    """Finds reports, and keeps the last ones: what has a digest does not change."""

    def __init__(self, cluster: Cluster, port: int = PORT) -> None:
        self._cluster = cluster
        self._port = port
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._fetches = asyncio.Semaphore(FETCHES)
        # One at a time of a namespace and of a visitor, so that slow pods do not keep all others
        # waiting.
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock]
        self._turns = weakref.WeakValueDictionary()
        self._http = aiohttp.ClientSession(
            # No limit: the time of a request would include the wait for a connection.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    async def find(self, token: str, namespace: str, one: SeenVersion) -> bytes:
        """Return the report of a version that the visitor may read.

        Raises:
            NoReportError: there is none, or none that is the version's.
            ClusterError: the API server refused to list the pods.
        """
        artifact = report_digest.digits(one.artifact_digest)
        if artifact not in self._kept:
            addresses = await self._addresses(token, namespace, one.version.name)
            of_visitor = self._turns.setdefault(f"token {token}", asyncio.Lock())
            of_namespace = self._turns.setdefault(f"namespace {namespace}", asyncio.Lock())
            async with of_visitor, of_namespace, self._fetches:
                if artifact not in self._kept:
                    self._kept[artifact] = await self._from_pods(addresses, artifact)
        self._kept.move_to_end(artifact)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[artifact]

    async def _addresses(self, token: str, namespace: str, version: str) -> tuple[str, ...]:
        try:
            found = await self._cluster.addresses(token, namespace, version)
        except ClusterError as error:
            if error.status != 403:
                raise
            raise NoReportError(
                403,
                "You may not list the pods of the namespace, one of which has the report.",
                "Ask for the right to list pods; the role view has it.",
            ) from error
        if not found:
            raise NoReportError(
                404,
                "No pod of this version is ready, so none can show its report. Only the champion, "
                "the candidate and the previous version have pods.",
                "If it has pods, wait until one is ready. The report is also in the folder below, "
                "on the claim of the artifact store; docs/console.md says how to read it there.",
            )
        return found

    async def _from_pods(self, addresses: tuple[str, ...], artifact: str) -> bytes:
        """Return the answer of the first pod that has it."""
        failures: list[NoReportError] = []
        for address in addresses[:TRIES]:
            try:
                # No report is read for a manifest that is not the version's.
                manifest = await self._file(address, artifact, MANIFEST)
                digest = report_digest.listed(artifact, manifest)
                del manifest
                report = await self._file(address, artifact, REPORT_PAGE)
                report_digest.check_digest(digest, report)
            except NoReportError as error:
                failures.append(error)
            else:
                return report
        raise failures[-1]

    async def _file(self, address: str, artifact: str, name: str) -> bytes:
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{self._port}/artifacts/{artifact}/{name}"
        try:
            async with self._http.get(url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise _not_there(answer.status)
                return await _bounded(answer.content, name)
        except TimeoutError as error:
            raise _unreachable(f"it gave no answer in {TIMEOUT:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(type(error).__name__) from error


async def _bounded(stream: aiohttp.StreamReader, name: str) -> bytes:
    content = bytearray()
    async for part in stream.iter_chunked(2**16):
        content += part
        if len(content) > MAX_PUBLISHED_BYTES:
            raise NoReportError(
                502, f"{name} has more than {MAX_PUBLISHED_BYTES} bytes.", "It cannot be shown."
            )
    return bytes(content)


def _not_there(status: int) -> NoReportError:
    return NoReportError(
        404,
        f"The pod of this version does not have the report (status {status}).",
        "An earlier release of the serving image does not give it, and an earlier release of the "
        "training image does not write it. Retrain, or read the artifact on its claim.",
    )


def _unreachable(why: str) -> NoReportError:
    return NoReportError(
        502,
        f"The pod of this version cannot be reached: {why}.",
        f"If a NetworkPolicy protects it, allow the console to reach port {PORT}.",
    )
