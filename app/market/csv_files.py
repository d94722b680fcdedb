"""Reads CSV files of bars with pandas, plain or compressed. For commands only: the web process loads no pandas."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Final

import pandas as pd

from app.market.columns import HeaderError, column_indices, parse_table
from app.market.domain import BarError, Bars

_PARSER_PREFIX: Final = "Error tokenizing data. C error: "


class BadBarFile(ValueError):
    """An error in a file of bars: one line that names the file and, if possible, the line in it."""


def read_bars(path: Path) -> Bars:
    """All bars of a CSV file, however many. A file whose name ends in .gz is decompressed. Raises BadBarFile."""
    header, rows = _read_table(path)
    try:
        bars = parse_table({name: rows[index].tolist() for name, index in column_indices(header).items()})
    except HeaderError as error:
        raise BadBarFile(f"{path}: {error}") from error
    except BarError as error:
        raise BadBarFile(f"{path}, line {rows.index[error.row] + 1}: {error.column}: {error.message}") from error
    if not bars.time:
        raise BadBarFile(f"{path}: no bars")
    return bars


def _read_table(path: Path) -> tuple[list[str], pd.DataFrame]:
    """The header and the rows below it, all as text. The index of a row is its line, counted from 0."""
    try:
        table = pd.read_csv(
            path,
            # With a header, pandas renames repeated columns and cuts longer rows.
            header=None,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            compression="gzip" if path.suffix == ".gz" else None,
            encoding="utf-8-sig",
        ).fillna("")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        # The errors of pandas are ValueErrors, and so is the error of a file that is not UTF-8.
        raise BadBarFile(f"{path}: {_reason(error)}") from error
    table = table[(table != "").any(axis=1)]
    return table.iloc[:1].to_numpy().ravel().tolist(), table.iloc[1:]


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).removeprefix(_PARSER_PREFIX).split())
