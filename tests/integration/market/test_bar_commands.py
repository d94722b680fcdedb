"""`flask bars` as an operator sees it: one clear line, all or nothing."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from app.factory import create_app
from app.market import service
from app.market.commands import bars
from app.resources import Resources
from config import ROOT, Settings

HEADER = "time,open,high,low,close,volume\n"


@pytest.fixture
def run(app: Flask) -> object:
    runner = app.test_cli_runner()

    def run(*arguments: str) -> Result:
        return runner.invoke(bars, list(arguments))

    return run


def stored_bars(resources: Resources, instrument: str = "EURUSD", timeframe: str = "1h") -> int:
    with resources.database.reading() as session:
        return len(service.read(session, instrument, timeframe, limit=100_000))


def a_file(folder: Path, rows: int, bad_row: int | None = None) -> Path:
    path = folder / "bars.csv"
    lines = [f"{row * 60_000},1,{0 if row == bad_row else 2},1,1.5,10\n" for row in range(rows)]
    path.write_text(HEADER + "".join(lines))
    return path


def test_a_file_is_imported_and_its_bars_are_counted(run, resources: Resources, tmp_path: Path) -> None:
    path = a_file(tmp_path, 12_345)
    first = run("import", "eurusd", "1h", str(path))
    assert (first.exit_code, first.stdout) == (0, "EURUSD 1h: 12345 inserted, 0 updated\n")
    assert stored_bars(resources) == 12_345
    again = run("import", "eurusd", "1h", str(path))
    assert (again.exit_code, again.stdout) == (0, "EURUSD 1h: 0 inserted, 12345 updated\n")


def test_a_packed_file_is_imported(run, resources: Resources, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv.gz"
    path.write_bytes(gzip.compress(a_file(tmp_path, 10).read_bytes()))
    assert run("import", "EUR/USD", "5m", str(path)).exit_code == 0
    assert stored_bars(resources, "EUR/USD", "5m") == 10


def test_a_bad_row_is_named_and_nothing_is_stored(run, resources: Resources, tmp_path: Path) -> None:
    path = a_file(tmp_path, 12_000, bad_row=11_000)
    result = run("import", "EURUSD", "1h", str(path))
    assert result.exit_code == 1
    assert result.stderr == f"Error: {path}, line 11002: high: lower than the open or the close\n"
    assert stored_bars(resources) == 0


def test_a_missing_file_is_one_line(run, tmp_path: Path) -> None:
    result = run("import", "EURUSD", "1h", str(tmp_path / "none.csv"))
    assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path / 'none.csv'}: No such file or directory\n")


@pytest.mark.parametrize(("instrument", "timeframe"), [("EUR USD", "1h"), ("EURUSD", "2h")])
def test_a_wrong_name_is_refused(run, resources: Resources, tmp_path: Path, instrument: str, timeframe: str) -> None:
    result = run("import", instrument, timeframe, str(a_file(tmp_path, 3)))
    assert result.exit_code == 2
    assert "Invalid value for" in result.stderr


def test_stored_bars_are_listed(run, tmp_path: Path) -> None:
    run("import", "EURUSD", "1h", str(a_file(tmp_path, 3)))
    result = run("list")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["instrument", "timeframe", "bars", "first", "last"],
        ["EURUSD", "1h", "3", "1970-01-01T00:00:00Z", "1970-01-01T00:02:00Z"],
    ]


@pytest.mark.parametrize("arguments", [["list"], ["import", "EURUSD", "1h"]])
def test_a_database_without_tables_is_one_line(tmp_path: Path, redis_url: str, arguments: list[str]) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'empty.db'}", redis_url=redis_url)
    files = [str(a_file(tmp_path, 3))] if arguments[0] == "import" else []
    result = create_app(settings).test_cli_runner().invoke(bars, [*arguments, *files])
    hint = "(are its tables made? flask --app wsgi db upgrade)"
    assert (result.exit_code, result.stderr) == (1, f"Error: database: no such table: bars {hint}\n")


@pytest.mark.parametrize("name", ["aapl", "goog", "msft"])
def test_the_sample_bars_can_be_imported(run, resources: Resources, name: str) -> None:
    result = run("import", name, "1d", str(ROOT / "examples" / "data" / f"{name}_1d.csv"))
    assert result.stdout == f"{name.upper()} 1d: 756 inserted, 0 updated\n"
    assert stored_bars(resources, name.upper(), "1d") == 756
