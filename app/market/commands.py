"""`flask bars`: whole files of bars in, and what is held. Loads pandas, so app.cli loads it only when it is called."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Final

import click
from flask.cli import with_appcontext
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.market import service
from app.market.csv_files import BadBarFile, read_bars
from app.market.domain import Bars
from app.market.service import Upserted
from app.shared.clock import from_epoch_ms, rfc3339
from app.shared.instruments import TIMEFRAME_SECONDS, normalize_instrument
from app.shared.terminal import database_errors_in_one_line
from app.web.context import resources

_BARS_AT_ONCE: Final = 5_000


@click.group()
def bars() -> None:
    """Price bars: import files, list what is held."""


@bars.command("import")
@click.argument("instrument")
@click.argument("timeframe", type=click.Choice(list(TIMEFRAME_SECONDS)))
@click.argument("file", type=click.Path(path_type=Path))
@with_appcontext
def import_file(instrument: str, timeframe: str, file: Path) -> None:
    """Store the bars of a CSV FILE, plain or .gz: all or none."""
    try:
        name = normalize_instrument(instrument)
        found = read_bars(file)
    except BadBarFile as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="INSTRUMENT") from error
    with database_errors_in_one_line():
        stored = _store(name, timeframe, found)
    click.echo(f"{name} {timeframe}: {stored.inserted} inserted, {stored.updated} updated")


@bars.command("list")
@with_appcontext
def list_held() -> None:
    """Tell which bars are held, and from when to when."""
    with database_errors_in_one_line(), resources().database.reading() as session:
        held = service.holdings(session)
    table = Table("instrument", "timeframe", "bars", "first", "last", box=None, pad_edge=False)
    for holding in held:
        times = (rfc3339(from_epoch_ms(holding.first)), rfc3339(from_epoch_ms(holding.last)))
        table.add_row(holding.instrument, holding.timeframe, str(holding.bars), *times)
    Console(soft_wrap=True).print(table)


def _store(instrument: str, timeframe: str, found: Bars) -> Upserted:
    """One transaction for the whole file; the bar moves with each part of it."""
    columns = (TextColumn(f"{instrument} {timeframe}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    inserted = updated = 0
    with (
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
        resources().database.transaction() as session,
    ):
        task = progress.add_task("", total=len(found))
        for part in _parts(found):
            stored = service.upsert(session, instrument, timeframe, part)
            inserted, updated = inserted + stored.inserted, updated + stored.updated
            progress.advance(task, len(part))
    return Upserted(inserted, updated)


def _parts(whole: Bars) -> Iterator[Bars]:
    columns = {field.name: getattr(whole, field.name) for field in fields(whole)}
    for start in range(0, len(whole), _BARS_AT_ONCE):
        part = slice(start, start + _BARS_AT_ONCE)
        yield Bars(**{name: cells and cells[part] for name, cells in columns.items()})
