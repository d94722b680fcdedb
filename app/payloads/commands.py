"""`flask schemas`: which form the payloads of a producer's versions have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click
from flask.cli import with_appcontext

from app.access.service import PRODUCER_ID
from app.payloads import service
from app.payloads.documents import BadSchema
from app.payloads.domain import PayloadSchema
from app.payloads.service import Added
from app.shared.clock import rfc3339
from app.shared.terminal import database_errors_in_one_line, show_columns
from app.web.context import resources

_FORMS: Final = {"producer": PRODUCER_ID, "version": re.compile(r"[A-Za-z0-9._-]{1,20}")}


def _name(_context: click.Context, parameter: click.Parameter, value: str) -> str:
    form = _FORMS[parameter.name or ""]
    if not form.fullmatch(value):
        raise click.BadParameter(f"must be {form.pattern}")
    return value


_producer = click.argument("producer", callback=_name)
_version = click.argument("version", callback=_name)


@click.group()
def schemas() -> None:
    """JSON schemas (draft 2020-12) of payloads, by producer and version."""


@schemas.command()
@_producer
@_version
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Put it in the place of another one.")
@with_appcontext
def add(producer: str, version: str, file: Path, *, replace: bool) -> None:
    """Hold every payload of PRODUCER's VERSION to the schema in FILE.

    References lead to the schema's own $defs and never in a circle; patterns are those of RE2.
    """
    schema = _read(file)
    held = resources()
    with database_errors_in_one_line(), held.database.transaction() as session:
        added = service.add(session, producer, version, schema, now=held.clock(), replace=replace)
    if added is Added.REFUSED:
        raise click.ClickException(f"{producer} {version} has another schema; --replace puts this one in its place")
    click.echo(f"{producer} {version}: {added}")


@schemas.command("list")
@with_appcontext
def list_schemas() -> None:
    """Tell which versions have a schema, and which producers may send no others."""
    with database_errors_in_one_line(), resources().database.reading() as session:
        stored, strict = service.stored_schemas(session), service.strict_producers(session)
    rows = [
        (
            row.producer_id,
            row.version,
            rfc3339(row.changed_at),
            row.digest[:12],
            _yes(row.producer_id in strict),
            PayloadSchema.stored(row.document).defect or "-",
        )
        for row in stored
    ]
    without = strict - {row.producer_id for row in stored}
    rows += [(producer, "-", "-", "-", _yes(True), "-") for producer in sorted(without)]
    show_columns([("producer", "version", "changed", "sha256", "strict", "defect"), *rows])


@schemas.command()
@_producer
@_version
@with_appcontext
def remove(producer: str, version: str) -> None:
    """Take any payload of PRODUCER's VERSION again."""
    with database_errors_in_one_line(), resources().database.transaction() as session:
        removed = service.remove(session, producer, version)
    if not removed:
        raise click.ClickException(f"{producer} {version} has no schema")
    click.echo(f"{producer} {version}: removed")


@schemas.command()
@_producer
@click.argument("switch", metavar="on|off", type=click.Choice(["on", "off"]))
@with_appcontext
def strict(producer: str, switch: str) -> None:
    """Refuse, or take again, what PRODUCER sends under a version without a schema."""
    held = resources()
    with database_errors_in_one_line(), held.database.transaction() as session:
        changed = service.set_strict(session, producer, strict=switch == "on", now=held.clock())
    click.echo(f"{producer}: strict {switch}{'' if changed else ' already'}")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _read(file: Path) -> PayloadSchema:
    try:
        return PayloadSchema.read(file.read_bytes())
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    except BadSchema as error:
        raise click.ClickException(f"{file}: {error}") from error
