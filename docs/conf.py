"""The documentation as a site: `make docs` builds it into build/docs."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "Recommender operator"
version = release = PROJECT["version"]
project_copyright = "the authors, Apache-2.0"
extensions = ["myst_parser"]
exclude_patterns = ["adr/0000-template.md"]
# Headings are anchors, as in the links of the pages.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
html_theme = "furo"
html_title = f"{project} {release}"
html_show_sourcelink = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
