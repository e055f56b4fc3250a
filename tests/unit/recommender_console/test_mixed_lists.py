"""Mixed lists before the first step on the page of a model."""

from __future__ import annotations

from tests.unit.recommender_console import samples
from tests.unit.recommender_console.test_pages import model_page, texts
from tests.unit.recommender_kubectl.test_interleaving import MIXED


def test_whom_users_prefer_is_shown_with_interval_and_users() -> None:
    seen = samples.seen_versions(interleaving={**MIXED, "message": "it <prefers>"})
    page = model_page(samples.seen(), seen)
    section = page[page.index('<section id="interleaving"') :]
    said = texts(section[: section.index("</section>")])
    assert "KeepRunning it <prefers>" in said
    assert "812 of 1000, of 2100 users of the phase" in said
    assert "+0.083 (-0.021 to +0.188); above 0 for the candidate" in said
    assert "<svg" in section
    assert "<prefers>" not in page


def test_a_version_without_mixed_lists_has_no_section_of_them() -> None:
    assert 'id="interleaving"' not in model_page(samples.seen(), samples.seen_versions())
