"""Errors caused by bad input: exit code 2, retrying will not help."""

from __future__ import annotations


class InputError(Exception):
    """Raised for bad input.

    `reason` is a CamelCase word for a condition of the resource. The message names the file,
    column or value, and the remedy. `details` are added to the report.
    """

    def __init__(self, reason: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.details = details
