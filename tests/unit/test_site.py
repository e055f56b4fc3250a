"""The documentation is a site: it builds without a warning, and its reference is up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import reference_pages

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", reference_pages.pages(), ids=lambda path: path.name)
def test_the_reference_is_what_the_definitions_say(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == reference_pages.pages()[path](), (
        f"{path.relative_to(ROOT)} is out of date: run `make reference`"
    )


def test_every_field_of_the_resource_is_explained() -> None:
    text = reference_pages.kind_page("recommendermodels", ("spec",), reference_pages.Printed())
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 200
    assert [row for row in rows if row.endswith("|  |")] == []


def test_the_site_builds_without_a_warning_and_each_page_has_a_place_in_it(tmp_path: Path) -> None:
    # Without the theme, which draws the navigation of the site on each page: a minute of CPU time.
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-D", "html_theme=basic",
         "docs", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix(".html")
        assert (tmp_path / name).exists() or page.name == "0000-template.md"
