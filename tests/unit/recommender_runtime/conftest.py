"""A transformer whose server is under test."""

from __future__ import annotations

from tests.unit.recommender_serving.conftest import served

__all__ = ["served"]
