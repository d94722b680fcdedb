"""Imports the sample bars in `examples/data` with the same command that users have."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from launcher import terminal
from launcher.api import ApiClient
from launcher.places import ROOT, SAMPLES, VENV
from launcher.refusal import Refusal

FILE_NAME: Final = re.compile(r"(?P<instrument>[a-z0-9]+)_(?P<timeframe>\d+[mhdw])")


@dataclass(frozen=True)
class SampleFile:
    """A CSV file of bars."""

    instrument: str
    timeframe: str
    file: Path


def samples() -> Iterator[SampleFile]:
    """The files named INSTRUMENT_TIMEFRAME.csv, such as aapl_1d.csv."""
    for file in sorted(SAMPLES.glob("*.csv")):
        named = FILE_NAME.fullmatch(file.stem)
        if named:
            yield SampleFile(named["instrument"].upper(), named["timeframe"], file)


def import_missing(api: ApiClient, variables: Mapping[str, str]) -> None:
    """Import the samples that the database does not hold yet."""
    for sample in samples():
        stored = api.get(f"/api/v1/bars/{sample.instrument}/{sample.timeframe}?limit=1")
        if not stored.document().get("time"):
            _import(sample, variables)


def _import(sample: SampleFile, variables: Mapping[str, str]) -> None:
    terminal.say(f"importing {sample.file.relative_to(ROOT)}")
    command = [str(VENV / "bin" / "flask"), "--app", "wsgi", "bars", "import"]
    command += [sample.instrument, sample.timeframe, str(sample.file)]
    done = subprocess.run(command, cwd=ROOT, env=dict(variables), stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise Refusal(f"{sample.file.name} was not imported: {lines[-1] if lines else done.returncode}")
