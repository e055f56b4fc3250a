"""A real Chromium, driven from the tests: Debian's own, installed where there is none."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, expect, sync_playwright

from tests.cluster.packages import ensure_packages

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: The pages under test are local; the browser must not request anything else either.
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-quic")
#: Milliseconds that a test waits for what a page should show, on a machine that is busy with
#: others; Playwright's own 5 s are few there.
PATIENCE = 120_000
expect.set_options(timeout=PATIENCE)


def executable() -> str:
    """Return the path of a Chromium; ClusterError with the message of apt-get."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        ensure_packages(("chromium",))
        found = shutil.which("chromium")
    assert found is not None, "no Chromium: apt-get install chromium"
    return found


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """Run a headless browser. Its sandbox needs a user that is not root."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable(), args=list(QUIET), chromium_sandbox=os.geteuid() != 0
        )
        yield browser
        browser.close()
