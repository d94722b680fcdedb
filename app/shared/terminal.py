"""Output of commands: database errors as one line, and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from sqlalchemy.exc import DBAPIError


@contextmanager
def database_errors_in_one_line() -> Iterator[None]:
    """Turn a database error into a ClickException of one line: the database is away, or has no tables."""
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise click.ClickException(f"database: {reason} (are its tables made? flask --app wsgi db upgrade)") from error


def show_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows as aligned columns, never cut: users copy the values."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
