"""Errors whose cause is the input: exit code 2, and repeating the command is no use."""

from __future__ import annotations


class InputError(Exception):
    """The input is at fault.

    `reason` is a CamelCase word that a condition of the resource can carry; the message names
    the file, column or value and the remedy. `details` are added to the report.
    """

    def __init__(self, reason: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.details = details
