"""`flask schemas`: add, list and remove the JSON schemas of payloads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from flask.cli import with_appcontext

from app.access.service import PRODUCER_ID
from app.payloads import service
from app.payloads.documents import BadSchema
from app.payloads.domain import VERSION, PayloadJsonSchema
from app.payloads.service import AddResult
from app.shared.clock import rfc3339
from app.shared.terminal import database_errors_in_one_line, show_columns
from app.web.context import resources

_FORMS: Final = {"producer": PRODUCER_ID, "version": VERSION}


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
@click.option("--replace", is_flag=True, help="Replace the schema that the version has.")
@with_appcontext
def add(producer: str, version: str, file: Path, *, replace: bool) -> None:
    """Validate payloads of PRODUCER's VERSION with the schema in FILE.

    References may only lead to the schema's own $defs and must not form a cycle; patterns are those of RE2.
    """
    schema, now = _read(file), resources().clock()
    with database_errors_in_one_line(), resources().database.transaction() as session:
        result = service.add(session, producer, version, schema, now=now, replace=replace)
    if result is AddResult.REFUSED:
        raise click.ClickException(f"{producer} {version} has another schema; use --replace to replace it")
    click.echo(f"{producer} {version}: {result}")


@schemas.command("list")
@with_appcontext
def list_schemas() -> None:
    """List the versions that have a schema, and the producers that may send no others."""
    with database_errors_in_one_line(), resources().database.reading() as session:
        stored, strict = service.stored_schemas(session), service.strict_producers(session)
    rows = [
        (
            row.producer_id,
            row.version,
            rfc3339(row.changed_at),
            row.digest[:12],
            _yes(row.producer_id in strict),
            PayloadJsonSchema.stored(row.document).defect or "-",
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
    """Accept any payload of PRODUCER's VERSION again."""
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
    """Refuse, or accept again, PRODUCER's signals with a version that has no schema."""
    now = resources().clock()
    with database_errors_in_one_line(), resources().database.transaction() as session:
        changed = service.set_strict(session, producer, strict=switch == "on", now=now)
    click.echo(f"{producer}: strict {switch}{'' if changed else ' already'}")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _read(file: Path) -> PayloadJsonSchema:
    try:
        return PayloadJsonSchema.read(file.read_bytes())
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    except BadSchema as error:
        raise click.ClickException(f"{file}: {error}") from error
