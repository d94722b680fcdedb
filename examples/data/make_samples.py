"""Makes the bars in `random_walks`: no market's prices, but the calendars and sizes of many.

Every bar is a stretch of one geometric random walk with normally distributed steps from a generator with a fixed seed,
so that the files come out the same everywhere:

    python examples/data/make_samples.py
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent / "random_walks"
STEPS: Final = 24  # of the walk in one bar
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Sample:
    """A file: its bars' times, where the walk starts and how it moves from bar to bar.

    `deviation` and `drift` are of the logarithm of the price over one bar; `gap` is the deviation between bars that do
    not follow each other directly. `volume` is the usual volume of a bar, 0 for none.
    """

    name: str
    seed: int
    times: Callable[[random.Random], Iterator[datetime]]
    price: float
    decimals: int
    deviation: float
    drift: float = 0.0
    gap: float = 0.0
    volume: float = 0.0
    volume_decimals: int = 0


def forex(_: random.Random) -> Iterator[datetime]:
    """Hours from Sunday 21:00 to Friday 21:00 UTC, as of New York's summer; a month begins on a Sunday."""
    for week in range(4):
        opening = datetime(2024, 8, 18, 21, tzinfo=UTC) + timedelta(weeks=week)
        yield from (opening + hour * HOUR for hour in range(5 * 24))


def stock(chance: random.Random) -> Iterator[datetime]:
    """Five-minute bars from 9:30 to 16:00 in New York; now and then nobody trades for some minutes."""
    for day in ("08-29", "08-30", "09-03", "09-04", "09-05", "09-06"):  # over a weekend and a holiday
        opening = datetime.fromisoformat(f"2024-{day}T13:30:00+00:00")
        yield from (opening + bar * timedelta(minutes=5) for bar in range(78) if chance.random() > 0.04)  # noqa: PLR2004


def around_the_clock(_: random.Random) -> Iterator[datetime]:
    """Hours without a break, over Europe's change of clocks."""
    yield from (datetime(2024, 10, 14, 7, tzinfo=UTC) + hour * HOUR for hour in range(480))


def daily(_: random.Random) -> Iterator[datetime]:
    """Every day of a year and a half."""
    yield from (datetime(2023, 5, 11, tzinfo=UTC) + timedelta(days=day) for day in range(540))


def weekly(_: random.Random) -> Iterator[datetime]:
    """Ten years of Mondays."""
    yield from (datetime(2014, 10, 6, tzinfo=UTC) + timedelta(weeks=week) for week in range(520))


def monthly(_: random.Random) -> Iterator[datetime]:
    """Forty years of months."""
    yield from (datetime(year, month, 1, tzinfo=UTC) for year in range(1984, 2024) for month in range(1, 13))


SAMPLES: Final = (
    Sample("forex_1h", 11, forex, price=1.0712, decimals=5, deviation=0.0009, gap=0.002),
    Sample("stock_5m", 12, stock, price=187.4, decimals=2, deviation=0.0016, gap=0.01, volume=42_000),
    Sample("crypto_1h", 13, around_the_clock, 64_250, 1, deviation=0.0055, volume=310, volume_decimals=3),
    Sample("token_1d", 14, daily, price=0.00001234, decimals=8, deviation=0.06, volume=2.4e11),
    Sample("index_1w", 15, weekly, price=940, decimals=2, deviation=0.021, drift=0.0022, volume=3.1e9),
    Sample("growth_monthly", 16, monthly, price=0.42, decimals=2, deviation=0.09, drift=0.017, volume=5e7),
)


def rows(sample: Sample) -> Iterator[list[str]]:
    """The lines of a sample's file below its header."""
    chance = random.Random(sample.seed)  # noqa: S311 - no secret
    price, before, usual = sample.price, None, None
    for time in sample.times(chance):
        pause = before and time - before
        usual = usual or pause
        if pause and usual and pause > usual:
            price *= math.exp(chance.gauss(0.0, sample.gap))
        walk = [price]
        for _ in range(STEPS):
            step = chance.gauss(sample.drift / STEPS, sample.deviation / math.sqrt(STEPS))
            walk.append(walk[-1] * math.exp(step))
        # A volume that grows with the range, as that of markets does.
        activity = chance.lognormvariate(0.0, 0.35) * (max(walk) / min(walk) - 1) / (1.6 * sample.deviation)
        volume = f"{sample.volume * activity:.{sample.volume_decimals}f}" if sample.volume else ""
        prices = (walk[0], max(walk), min(walk), walk[-1])
        yield [time.strftime("%Y-%m-%dT%H:%M:%SZ"), *(f"{value:.{sample.decimals}f}" for value in prices), volume]
        price, before = walk[-1], time


def main() -> None:
    """Write every file."""
    FOLDER.mkdir(exist_ok=True)
    for sample in SAMPLES:
        with (FOLDER / f"{sample.name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["time", "open", "high", "low", "close", "volume"])
            writer.writerows(rows(sample))
        print(f"{FOLDER.name}/{sample.name}.csv")


if __name__ == "__main__":
    main()
