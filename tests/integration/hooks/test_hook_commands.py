"""`flask hooks` as an operator sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from app.factory import create_app
from app.hooks.commands import hooks
from config import Settings
from tests.integration.hooks.conftest import Hooked, make_hook

Make = Callable[..., Hooked]


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(hooks, list(arguments))


def rows(app: Flask) -> list[list[str]]:
    return [line.split() for line in run(app, "list").stdout.splitlines()[1:]]


def test_a_hook_s_address_alone_is_on_standard_output(app: Flask) -> None:
    created = run(app, "create", "--producer", "tv", "--url", "https://a.example/")
    assert created.stdout.startswith("https://a.example/api/v1/hooks/hook_")
    assert created.stdout.count("\n") == 1
    assert "not shown again" in created.stderr


def test_hooks_are_listed_without_their_addresses(app: Flask) -> None:
    token = make_hook(app).rpartition("/")[2]
    make_hook(app, "--strip-exchange", "--field-map", "side=dir", "--allow-from", "203.0.113.7")
    listed = run(app, "list").stdout
    assert token not in listed
    head, first, second = (line.split() for line in listed.splitlines())
    assert head == ["id", "producer", "created", "revoked", "from", "mapping"]
    assert first[1:2] + first[3:] == ["tv", "-", "anywhere", "-"]
    assert second[3:] == ["-", "203.0.113.7/32", "side=dir", "strip-exchange"]


def test_a_revoked_hook_is_unknown_and_stays_on_the_list(hooked: Make) -> None:
    service = hooked()
    (hook_id, *_) = rows(service.app)[0]
    assert service.send().status_code == 201
    assert run(service.app, "revoke", hook_id).stdout == f"hook {hook_id} revoked\n"
    assert service.send().status_code == 404
    assert "Z" in rows(service.app)[0][3]
    again = run(service.app, "revoke", hook_id)
    assert (again.exit_code, again.stderr) == (1, f"Error: there is no active hook {hook_id}\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--producer", "a b"], "1-64 of"),
        (["--producer", "tv", "--field-map", "colour=c"], "is not FIELD=NAME"),
        (["--producer", "tv", "--field-map", "side"], "is not FIELD=NAME"),
        (["--producer", "tv", "--field-map", "side=a", "--field-map", "side=b"], "repeats a field or a name"),
        (["--producer", "tv", "--field-map", "side=a", "--field-map", "price=a"], "repeats a field or a name"),
        (["--producer", "tv", "--allow-from", "10.0.0.1/8"], "has host bits set"),
        (["--producer", "tv", "--allow-from", "tradingview.com"], "does not appear to be"),
        ([], "--producer"),
    ],
)
def test_invalid_options_are_refused(app: Flask, options: list[str], message: str) -> None:
    result = run(app, "create", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert rows(app) == []


@pytest.mark.parametrize(
    "arguments", [["list"], ["create", "--producer", "tv"], ["revoke", "0190b1a3-0000-7000-8000-000000000000"]]
)
def test_a_database_without_tables_is_one_line(tmp_path: Path, redis_url: str, arguments: list[str]) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'empty.db'}", redis_url=redis_url)
    result = run(create_app(settings), *arguments)
    hint = "(are its tables made? flask --app wsgi db upgrade)"
    assert (result.exit_code, result.stderr) == (1, f"Error: database: no such table: hooks {hint}\n")
