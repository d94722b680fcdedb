"""`flask hooks`: make the addresses that signals may be sent to, list them, revoke them."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import click
from flask.cli import with_appcontext

from app.access.service import PRODUCER_ID
from app.hooks import service
from app.hooks.domain import MAPPABLE, Network, Translation, networks
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
    found: dict[str, str] = {}
    for pair in pairs:
        ours, _, theirs = (text.strip() for text in pair.partition("="))
        if ours not in MAPPABLE or not theirs:
            raise click.BadParameter(f"{pair!r} is not FIELD=NAME, with FIELD one of {', '.join(MAPPABLE)}")
        if ours in found or theirs in found.values():
            raise click.BadParameter(f"{pair!r} names what another one names")
        found[ours] = theirs
    return found


def _allowed(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[Network, ...]:
    try:
        return networks(texts)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@hooks.command()
@click.option("--producer", required=True, callback=_producer, help="Whose signals they are that come here.")
@click.option("--field-map", multiple=True, metavar="FIELD=NAME", callback=_names, help="The sender's NAME of a field.")
@click.option("--strip-exchange", is_flag=True, help="Take FX:EURUSD for EURUSD.")
@click.option("--allow-from", multiple=True, metavar="CIDR", callback=_allowed, help="Network that may send; else any.")
@click.option("--url", default="", metavar="URL", help="Where this service is reached, to print the whole address.")
@with_appcontext
def create(
    producer: str, field_map: dict[str, str], allow_from: tuple[Network, ...], url: str, *, strip_exchange: bool
) -> None:
    """Make a hook and show its address, once.

    \b
      flask hooks create --producer tv --strip-exchange --url https://signals.example.com
      flask hooks create --producer bot --field-map side=direction --allow-from 203.0.113.0/24
    """
    held = resources()
    translation = Translation(field_map, strip_exchange=strip_exchange)
    with database_errors_in_one_line(), held.database.transaction() as session:
        hook, token = service.create(session, producer, translation, allow_from=allow_from, now=held.clock())
    click.echo(f"hook {hook.id} of {producer}; its address is a key and is not shown again:", err=True)
    click.echo(f"{url.rstrip('/')}{PATH}/{token}")


@hooks.command("list")
@with_appcontext
def list_hooks() -> None:
    """Tell which hooks there are. What their addresses are, nothing can tell."""
    with database_errors_in_one_line(), resources().database.reading() as session:
        rows = [_row(hook) for hook in service.all_hooks(session)]
    show_columns([("id", "producer", "made", "revoked", "from", "reads"), *rows])


@hooks.command()
@click.argument("hook_id", type=click.UUID)
@with_appcontext
def revoke(hook_id: UUID) -> None:
    """Close a hook: from the next request on its address is unknown."""
    held = resources()
    with database_errors_in_one_line(), held.database.transaction() as session:
        revoked = service.revoke(session, hook_id, now=held.clock())
    if not revoked:
        raise click.ClickException(f"there is no open hook {hook_id}")
    click.echo(f"hook {hook_id} revoked")


def _row(hook: Hook) -> tuple[str, ...]:
    reads = [f"{ours}={theirs}" for ours, theirs in hook.field_map.items()]
    return (
        str(hook.id),
        hook.producer_id,
        rfc3339(hook.created_at),
        rfc3339(hook.revoked_at) if hook.revoked_at else "-",
        " ".join(hook.allow_from) or "anywhere",
        " ".join([*reads, *(["strip-exchange"] if hook.strip_exchange else [])]) or "-",
    )
