"""The command line."""

from __future__ import annotations


def main() -> None:
    """The `vault-exec` command."""


def chamber() -> None:
    """The `chamber` command."""
