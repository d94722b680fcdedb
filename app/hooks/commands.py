"""`flask hooks`: create, list and revoke addresses to send signals to."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import click
from flask.cli import with_appcontext

from app.access.service import PRODUCER_ID
from app.hooks import service
from app.hooks.domain import MAPPABLE_FIELDS, FieldMap, Network, networks
from app.hooks.models import Hook
from app.shared.clock import rfc3339
from app.shared.terminal import database_errors_in_one_line, show_columns
from app.web.context import resources

PATH: Final = "/api/v1/hooks"


@click.group()
def hooks() -> None:
    """Addresses for senders that cannot set headers."""


def _producer(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not PRODUCER_ID.fullmatch(value):
        raise click.BadParameter("1-64 of A-Z a-z 0-9 . _ -")
    return value


def _names(_context: click.Context, _parameter: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    names: dict[str, str] = {}
    for pair in pairs:
        signal_field, _, name = (text.strip() for text in pair.partition("="))
        if signal_field not in MAPPABLE_FIELDS or not name:
            raise click.BadParameter(f"{pair!r} is not FIELD=NAME, with FIELD one of {', '.join(MAPPABLE_FIELDS)}")
        if signal_field in names or name in names.values():
            raise click.BadParameter(f"{pair!r} repeats a field or a name")
        names[signal_field] = name
    return names


def _allowed(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[Network, ...]:
    try:
        return networks(texts)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@hooks.command()
@click.option("--producer", required=True, callback=_producer, help="Producer of the signals.")
@click.option(
    "--field-map", multiple=True, metavar="FIELD=NAME", callback=_names, help="The sender's NAME for a field."
)
@click.option("--strip-exchange", is_flag=True, help="Read FX:EURUSD as EURUSD.")
@click.option("--allow-from", multiple=True, metavar="CIDR", callback=_allowed, help="Network that may send; else any.")
@click.option("--url", default="", metavar="URL", help="URL of this service, to print the whole address.")
@with_appcontext
def create(
    producer: str, field_map: dict[str, str], allow_from: tuple[Network, ...], url: str, *, strip_exchange: bool
) -> None:
    """Create a hook and show its address, once.

    \b
      flask hooks create --producer tv --strip-exchange --url https://signals.example.com
      flask hooks create --producer bot --field-map side=direction --allow-from 203.0.113.0/24
    """
    now = resources().clock()
    mapping = FieldMap(field_map, strip_exchange=strip_exchange)
    with database_errors_in_one_line(), resources().database.transaction() as session:
        hook, token = service.create(session, producer, mapping, allow_from=allow_from, now=now)
    click.echo(f"hook {hook.id} of {producer}; its address is a key and is not shown again:", err=True)
    click.echo(f"{url.rstrip('/')}{PATH}/{token}")


@hooks.command("list")
@with_appcontext
def list_hooks() -> None:
    """List all hooks. Their addresses are not stored and cannot be shown."""
    with database_errors_in_one_line(), resources().database.reading() as session:
        rows = [_row(hook) for hook in service.all_hooks(session)]
    show_columns([("id", "producer", "created", "revoked", "from", "mapping"), *rows])


@hooks.command()
@click.argument("hook_id", type=click.UUID)
@with_appcontext
def revoke(hook_id: UUID) -> None:
    """Revoke a hook: from the next request on its address is unknown."""
    now = resources().clock()
    with database_errors_in_one_line(), resources().database.transaction() as session:
        revoked = service.revoke(session, hook_id, now=now)
    if not revoked:
        raise click.ClickException(f"there is no active hook {hook_id}")
    click.echo(f"hook {hook_id} revoked")


def _row(hook: Hook) -> tuple[str, ...]:
    mapping = [f"{signal_field}={name}" for signal_field, name in hook.field_map.items()]
    return (
        str(hook.id),
        hook.producer_id,
        rfc3339(hook.created_at),
        rfc3339(hook.revoked_at) if hook.revoked_at else "-",
        " ".join(hook.allow_from) or "anywhere",
        " ".join([*mapping, *(["strip-exchange"] if hook.strip_exchange else [])]) or "-",
    )
