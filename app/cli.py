"""The commands of `flask --app wsgi`. A group's module is imported when the group is used: it may import pandas."""

from __future__ import annotations

import pkgutil
from dataclasses import Field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

import click
from flask import Flask

from app.shared import matplotlib_folder
from config import ROOT, Settings

GROUPS: Final = {
    "bars": ("app.market.commands:bars", "Price bars: import and list."),
    "charts": ("app.charts.commands:charts", "Charts: draw one from the command line."),
    "hooks": ("app.hooks.commands:hooks", "Hooks: addresses for senders that cannot set headers."),
    "jobs": ("app.jobs.commands:jobs", "Jobs: list waiting and failed ones, retry, cancel."),
    "schemas": ("app.payloads.commands:schemas", "Schemas of payloads, by producer and version."),
}
DRAWING_GROUPS: Final = frozenset({"charts"})
"""Groups that import Matplotlib."""


class LazyGroup(click.Group):
    """A command group whose module is imported on first use."""

    def __init__(self, name: str, target: str, summary: str) -> None:
        super().__init__(name, help=summary)
        self._target = target

    @cached_property
    def _group(self) -> click.Group:
        if self.name in DRAWING_GROUPS:
            matplotlib_folder.require()
        return cast("click.Group", pkgutil.resolve_name(self._target))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return self._group.list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self._group.get_command(ctx, cmd_name)


def register(app: Flask) -> None:
    for name, (target, summary) in GROUPS.items():
        app.cli.add_command(LazyGroup(name, target, summary))
    app.cli.add_command(settings_table)


@click.command("settings")
@click.option("--markdown", is_flag=True, help="Print the table of docs/operations.md.")
def settings_table(*, markdown: bool) -> None:
    """List every setting with its default and its meaning."""
    rows = [(field.name.upper(), _default(field), field.metadata["meaning"]) for field in fields(Settings)]
    if markdown:
        click.echo("| setting | default | meaning |\n|---|---|---|")
        for name, default, meaning in rows:
            click.echo(f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |")
        return
    width = max(len(name) for name, _, _ in rows)
    for name, default, meaning in rows:
        click.echo(f"{name:{width}}  {meaning}{f' [{default}]' if default else ''}")


def _default(field: Field[Any]) -> str:
    """A default in the form of an environment variable."""
    value = field.default
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, Path):
        return str(value.relative_to(ROOT)) if value.is_relative_to(ROOT) else str(value)
    return str(value).replace(f"{ROOT}/", "")
