"""Reads files of bars with pandas, which unpacks and untangles what people have. For commands; never for the web."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Final

import pandas as pd

from app.market.columns import HeaderError, bars_of_table, places_of
from app.market.domain import BarError, Bars

_PARSER_NOISE: Final = "Error tokenizing data. C error: "


class BadBarFile(ValueError):
    """What is wrong with a file of bars, in one line that names the file and, where there is one, its line."""


def read_bars(path: Path) -> Bars:
    """All bars of a CSV file, packed when its name ends in .gz, by the rules of `market.columns`.

    Any number of bars. Raises BadBarFile.
    """
    header, rows = _read_table(path)
    try:
        bars = bars_of_table({name: rows[place].tolist() for name, place in places_of(header).items()})
    except HeaderError as error:
        raise BadBarFile(f"{path}: {error}") from error
    except BarError as error:
        raise BadBarFile(f"{path}, line {rows.index[error.row] + 1}: {error.column}: {error.message}") from error
    if not bars.time:
        raise BadBarFile(f"{path}: no bars")
    return bars


def _read_table(path: Path) -> tuple[list[str], pd.DataFrame]:
    """The cells of the header, and the rows under it, all as text. The index counts lines from 0, blank ones too."""
    try:
        table = pd.read_csv(
            path,
            # Given a header, pandas renames what stands twice in it, and cuts rows that are longer.
            header=None,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            compression="gzip" if path.suffix == ".gz" else None,
            encoding="utf-8-sig",
        ).fillna("")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        # pandas' own errors are ValueErrors, and so is a file that is not UTF-8.
        raise BadBarFile(f"{path}: {_reason(error)}") from error
    table = table[(table != "").any(axis=1)]
    return table.iloc[:1].to_numpy().ravel().tolist(), table.iloc[1:]


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).removeprefix(_PARSER_NOISE).split())
