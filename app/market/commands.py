"""`flask bars`: import files of bars, list stored bars. It imports pandas, so app.cli imports it only when called."""

from __future__ import annotations

import sys
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

_BATCH_SIZE: Final = 5_000


@click.group()
def bars() -> None:
    """Price bars: import files, list stored bars."""


@bars.command("import")
@click.argument("instrument")
@click.argument("timeframe", type=click.Choice(list(TIMEFRAME_SECONDS)))
@click.argument("file", type=click.Path(path_type=Path))
@with_appcontext
def import_file(instrument: str, timeframe: str, file: Path) -> None:
    """Store the bars of a CSV FILE, plain or .gz: all or none."""
    try:
        name = normalize_instrument(instrument)
        imported = read_bars(file)
    except BadBarFile as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="INSTRUMENT") from error
    with database_errors_in_one_line():
        stored = _store(name, timeframe, imported)
    click.echo(f"{name} {timeframe}: {stored.inserted} inserted, {stored.updated} updated")


@bars.command("list")
@with_appcontext
def list_bars() -> None:
    """List the stored bars by instrument and timeframe, with the first and the last time."""
    with database_errors_in_one_line(), resources().database.reading() as session:
        stored = service.summarize(session)
    table = Table("instrument", "timeframe", "bars", "first", "last", box=None, pad_edge=False)
    for series in stored:
        times = (rfc3339(from_epoch_ms(series.first)), rfc3339(from_epoch_ms(series.last)))
        table.add_row(series.instrument, series.timeframe, str(series.bars), *times)
    Console(soft_wrap=True).print(table)


def _store(instrument: str, timeframe: str, imported: Bars) -> Upserted:
    """Stores the bars in one transaction, in batches that move the progress bar."""
    columns = (TextColumn(f"{instrument} {timeframe}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    inserted = updated = 0
    with (
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
        resources().database.transaction() as session,
    ):
        task = progress.add_task("", total=len(imported))
        for start in range(0, len(imported), _BATCH_SIZE):
            batch = imported.cut(start, start + _BATCH_SIZE)
            stored = service.upsert(session, instrument, timeframe, batch)
            inserted, updated = inserted + stored.inserted, updated + stored.updated
            progress.advance(task, len(batch))
    return Upserted(inserted, updated)
