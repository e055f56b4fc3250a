"""The report of a version: a page with a frame, and what is in the frame."""

from __future__ import annotations

import asyncio

from aiohttp import web

from recommender_console.cluster import Cluster
from recommender_console.pages import report_frame
from recommender_console.report_digest import NoReportError
from recommender_console.report_pods import Reports
from recommender_console.site.headers import FRAMING, REPORT, html
from recommender_console.site.page_routes import named, path_names
from recommender_console.site.visitors import Caller


class Reporting:
    """The handlers."""

    def __init__(self, cluster: Cluster, reports: Reports) -> None:
        self._cluster = cluster
        self._reports = reports

    async def page(self, request: web.Request, caller: Caller) -> web.Response:
        """Show the report in a frame, or say why there is none."""
        namespace, name = path_names(request)
        seen, (versions, _) = await asyncio.gather(
            self._cluster.model(caller.token, namespace, name),
            self._cluster.versions(caller.token, namespace, name),
        )
        one = named(versions, request.match_info["version"])
        try:
            await self._reports.find(caller.token, namespace, one)
        except NoReportError as error:
            page = report_frame.missing(seen.model, one, error.why, error.remedy, caller.visitor)
            return html(page, error.status)
        return html(report_frame.framed(seen.model, one, caller.visitor), headers=FRAMING)

    async def content(self, request: web.Request, caller: Caller) -> web.Response:
        """Give the report itself, which can do nothing in a browser but be read."""
        namespace, name = path_names(request)
        versions, _ = await self._cluster.versions(caller.token, namespace, name)
        one = named(versions, request.match_info["version"])
        try:
            found = await self._reports.find(caller.token, namespace, one)
        except NoReportError as error:
            raise web.HTTPNotFound(reason="There is no report of this version") from error
        return html(found, headers=REPORT)
