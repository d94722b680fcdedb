"""What commands share in talking to whoever types them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from sqlalchemy.exc import DBAPIError


@contextmanager
def database_errors_in_one_line() -> Iterator[None]:
    """A database that is away or has no tables is no case for a traceback."""
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise click.ClickException(f"database: {reason} (are its tables made? flask --app wsgi db upgrade)") from error


def show_columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows under each other, never cut: what stands in them is there to be copied."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
