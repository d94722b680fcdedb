"""How times and numbers may be written, and which row is named when one is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.market.columns import HeaderError, column_indices, parse_bars, parse_number, parse_table, parse_time
from app.market.domain import BarError
from app.shared.instruments import normalize_instrument

MIDNIGHT = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
FIRST_DAY = datetime(1800, 1, 2)  # noqa: DTZ001 - Hypothesis puts the offset on
LAST_DAY = datetime(2199, 12, 30)  # noqa: DTZ001


@pytest.mark.parametrize(
    "cell",
    [
        MIDNIGHT,
        Decimal(MIDNIGHT),
        Decimal("1767225600000.0"),
        str(MIDNIGHT),
        "2026-01-01",
        " 2026-01-01 ",
        "2026-01-01T00:00:00Z",
        "2026-01-01t00:00:00z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T02:00:00+02:00",
        "2025-12-31T18:30:00-05:30",
        "2026-01-01T00:00:00.000999999999Z",
    ],
)
def test_one_moment_may_be_written_in_many_ways(cell: object) -> None:
    assert parse_time(cell) == MIDNIGHT


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "yesterday",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00Z",
        "2026-02-30",
        "2026-13-01",
        "2026-W01-1",
        "2026-01-01T24:00:01Z",
        "0000-01-01",
        "1767225600000.5",
        "1_767_225",
        "\u0662\u0660\u0662\u0666-01-01",
        Decimal("1.5"),
        1.5,
        True,
        None,
        [],
        {},
        "1799-12-31",
        "2200-01-02",
        10**15,
        -(10**15),
        "999999999999999",
        Decimal("1e400"),
    ],
)
def test_what_is_no_moment_is_refused(cell: object) -> None:
    with pytest.raises(ValueError, match=r"not (epoch milliseconds|between)"):
        parse_time(cell)


offsets = st.integers(-1_439, 1_439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=FIRST_DAY, max_value=LAST_DAY, timezones=offsets))
def test_a_time_with_an_offset_is_its_moment_rounded_down(moment: datetime) -> None:
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert parse_time(moment.isoformat()) == milliseconds


@pytest.mark.parametrize("cell", [1, 1.0, Decimal("1.00"), "1", "1.", "+1.0", " 1e0 ", "100e-2", "0.1E1"])
def test_one_number_may_be_written_in_many_ways(cell: object) -> None:
    assert parse_number(cell) == 1.0


@pytest.mark.parametrize("cell", ["", " ", "x", "1_0", "0x1", "nan", "inf", "1,5", "\u0661", "1 2", True, None, [], {}])
def test_what_is_no_number_is_refused(cell: object) -> None:
    with pytest.raises(ValueError, match=r"not a number|empty"):
        parse_number(cell)


def a_table(**columns: list[object]) -> dict[str, list[object]]:
    rows = len(next(iter(columns.values()))) if columns else 3
    plain: dict[str, list[object]] = {name: [10] * rows for name in ("open", "high", "low", "close")}
    return {"time": [*range(rows)], **plain, **columns}


def test_columns_become_bars_with_or_without_volume() -> None:
    bars = parse_bars(a_table(volume=["5", 6, Decimal("7.5")]))
    assert (bars.time, bars.close, bars.volume) == ((0, 1, 2), (10.0, 10.0, 10.0), (5.0, 6.0, 7.5))
    assert parse_bars(a_table()).volume is None


@pytest.mark.parametrize(
    ("columns", "column", "row"),
    [
        ({"open": [10, "x", 10]}, "open", 1),
        ({"open": [10, 10, "x"], "close": [10, "x", 10]}, "close", 1),
        ({"open": [10, 10, "x"], "high": [10, 9, 10]}, "high", 1),
        ({"open": [10, "x", 10], "high": [10, 10, 9]}, "open", 1),
        ({"low": [10, 10, 11]}, "low", 2),
        ({"close": ["1e400", 10, 10]}, "close", 0),
        ({"time": [0, 2, 2]}, "time", 2),
        ({"time": [0, 2, 1]}, "time", 2),
        ({"volume": [1, -1, 1]}, "volume", 1),
        ({"volume": [1, None, 1]}, "volume", 1),
        ({"time": [0, 1, 2], "close": [10, 10]}, "close", 2),
        ({"time": [0, 1, 2], "close": [10, 10, 10, 10]}, "close", 3),
        ({"time": [0, 1, 2], "close": [10], "open": [10, 10, "x"]}, "close", 1),
    ],
)
def test_the_first_bad_row_is_named(columns: dict[str, list[object]], column: str, row: int) -> None:
    with pytest.raises(BarError) as caught:
        parse_bars(a_table(**columns))
    assert (caught.value.column, caught.value.row) == (column, row)


def test_times_in_seconds_are_found_out() -> None:
    seconds = [1_767_225_600, 1_767_229_200, 1_767_232_800]
    written: list[list[object]] = [[*seconds], [*map(str, seconds)]]
    for cells in written:
        with pytest.raises(BarError, match=r"time\[2\]: looks like seconds"):
            parse_bars(a_table(time=cells))


def test_a_series_may_pass_or_end_in_early_1970() -> None:
    assert parse_bars(a_table(time=[-1, 1_767_225_600, MIDNIGHT])).time[-1] == MIDNIGHT
    assert parse_bars(a_table(time=["1970-01-20", "1970-01-21", "1970-01-22"])).time[-1] == 1_814_400_000


def test_headers_count_in_any_case_and_order_and_among_others() -> None:
    headers = ["Adj Close", " CLOSE ", "Timestamp", "low", "Open", "HIGH"]
    assert column_indices(headers) == {"close": 1, "time": 2, "low": 3, "open": 4, "high": 5}
    assert column_indices(["Date", "open", "high", "low", "close", "Volume"])["volume"] == 5


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([], "no column for time, open, high, low, close"),
        (["time", "open", "high", "low"], "no column for close"),
        (["time", "open", "high", "low", "close", "Close"], "two columns for close"),
        (["date", "time", "open", "high", "low", "close"], "two columns for time"),
    ],
)
def test_a_header_must_name_every_column_once(headers: list[str], reason: str) -> None:
    with pytest.raises(HeaderError, match=reason):
        column_indices(headers)


def test_a_volume_that_is_empty_everywhere_is_none_and_one_empty_cell_is_refused() -> None:
    table = {"time": ["1", "2"]} | {name: ["10", "10"] for name in ("open", "high", "low", "close")}
    assert parse_table(table | {"volume": ["", " "]}).volume is None
    with pytest.raises(BarError, match=r"volume\[1\]: empty"):
        parse_table(table | {"volume": ["1", ""]})


def test_instruments_have_one_spelling() -> None:
    assert normalize_instrument("eur/usd") == "EUR/USD"
    assert normalize_instrument("binance:btc_usdt.p-1") == "BINANCE:BTC_USDT.P-1"


@pytest.mark.parametrize("text", ["", "A" * 33, "EUR USD", "EUR\n", "\u00c4", "A\0", "\u00df", "\u0131", "A%2FB"])
def test_what_is_no_instrument_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1-32 of"):
        normalize_instrument(text)
