"""Bars as they come over HTTP: every refusal says where."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.market.csv_files import BadBarFile, read_bars
from app.market.domain import MAX_BARS, Bars
from app.market.schemas import bars_view, parse_columns, parse_csv, parse_series
from app.shared import exact_json
from app.shared.errors import ValidationFailed

HEADER = b"time,open,high,low,close,volume\n"


def columns(rows: int = 2, **others: Any) -> dict[str, Any]:
    prices: dict[str, Any] = {name: [10] * rows for name in ("open", "high", "low", "close")}
    return {"time": list(range(rows))} | prices | others


def refusal(parse: Callable[[Any], Bars], value: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationFailed) as caught:
        parse(value)
    return [(error.pointer, error.message) for error in caught.value.errors]


def is_bars_or_refused(parse: Callable[[Any], Bars], value: Any) -> bool:
    try:
        return isinstance(parse(value), Bars)
    except ValidationFailed as error:
        return bool(error.errors)


prices = st.floats(min_value=-1e12, max_value=1e12)


@st.composite
def any_bars(draw: st.DrawFn) -> Bars:
    moments = st.integers(-5 * 10**12, 10**9 - 1) | st.integers(10**10, 7 * 10**12)
    times = draw(st.lists(moments, min_size=1, max_size=20, unique=True).map(sorted))
    rows = [sorted(draw(st.tuples(prices, prices, prices, prices))) for _ in times]
    low, opened, close, high = zip(*rows, strict=True)
    volume = draw(st.none() | st.tuples(*(st.floats(0, 1e15) for _ in times)))
    return Bars(tuple(times), opened, high, low, close, volume)


@given(any_bars())
def test_bars_written_as_json_columns_are_read_as_they_were(bars: Bars) -> None:
    written = bars_view("EURUSD", "1h", bars)
    written = {name: written[name] for name in written if name not in ("instrument", "timeframe")}
    assert parse_columns(exact_json.loads(exact_json.dumps(written))) == bars


@given(any_bars())
def test_bars_written_as_csv_are_read_as_they_were(bars: Bars) -> None:
    volume = bars.volume or ("",) * len(bars)
    rows = zip(bars.time, bars.open, bars.high, bars.low, bars.close, volume, strict=True)
    assert parse_csv(HEADER + "\r\n".join(",".join(map(str, row)) for row in rows).encode()) == bars


cells = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text()
columns_of_anything = st.dictionaries(
    st.sampled_from(["time", "open", "high", "low", "close", "volume", "other"]),
    st.lists(cells | st.lists(cells, max_size=1), max_size=4) | cells,
)


@given(columns_of_anything | cells | st.lists(cells, max_size=2))
def test_any_json_is_bars_or_refused(value: Any) -> None:
    assert is_bars_or_refused(parse_columns, value)


@given(st.binary() | st.text("time,open,high,low,close,volume\n\r\"'0123456789.-\0;").map(str.encode))
def test_any_bytes_are_bars_or_refused(body: bytes) -> None:
    for content in (body, HEADER + body):
        assert is_bars_or_refused(parse_csv, content)


@pytest.mark.parametrize("value", [None, [], "text", 1, True])
def test_only_an_object_holds_columns(value: Any) -> None:
    assert refusal(parse_columns, value) == [("", "an object with a list for each column")]


def test_every_wrong_column_is_named() -> None:
    value = columns(open=5, volumes=[]) | {"volume": {}}
    del value["close"]
    assert refusal(parse_columns, value) == [
        ("/close", "missing"),
        ("", "no such column: volumes"),
        ("/open", "not a list"),
        ("/volume", "not a list"),
    ]


def test_a_volume_of_null_is_no_volume() -> None:
    assert parse_columns(columns(volume=None)).volume is None


def test_the_first_bad_cell_is_pointed_at() -> None:
    assert refusal(parse_columns, columns(13, high=[10] * 12 + [9])) == [
        ("/high/12", "lower than the open or the close")
    ]


def test_as_many_bars_as_allowed_are_taken_and_one_more_is_refused() -> None:
    assert len(parse_columns(columns(MAX_BARS))) == MAX_BARS
    rows = b"".join(b"%d,1,1,1,1,1\n" % row for row in range(MAX_BARS + 1))
    assert refusal(parse_columns, columns(MAX_BARS + 1)) == [("/time", "1 to 20000 bars")]
    assert refusal(parse_csv, HEADER + rows) == [("/time", "1 to 20000 bars")]


def test_no_bars_at_all_are_refused() -> None:
    assert refusal(parse_columns, columns(0)) == [("/time", "1 to 20000 bars")]
    assert refusal(parse_csv, HEADER) == [("/time", "1 to 20000 bars")]


@pytest.mark.parametrize(
    ("body", "pointer", "message"),
    [
        (HEADER + b"1,1,1,1,1,1\n\n2,1,1,1,x,1\n", "/close/1", "not a number (line 4)"),
        (HEADER + b"1,1,1,1\n", "/close/0", "empty (line 2)"),
        (HEADER + b"1,1,1,1,1,1,1\n", "", "not a table of bars: expected 6 fields in line 2, saw 7"),
        (HEADER + b'"1,1,1,1,1\n', "", "not a table of bars: unexpected end of data"),
        (HEADER + b"1,1,1,1,1,\xff\n", "", "not UTF-8 at byte 42"),
        (b"", "", "not a table of bars: no column for time, open, high, low, close"),
        (b"open,high\n", "", "not a table of bars: no column for time, low, close"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(body: bytes, pointer: str, message: str) -> None:
    assert refusal(parse_csv, body) == [(pointer, message)]


def test_a_table_may_begin_with_a_byte_order_mark_and_end_lines_as_windows_does() -> None:
    assert parse_csv(b"\xef\xbb\xbfDate,Open,High,Low,Close\r\n2026-01-01,1,1,1,1\r\n").time == (1_767_225_600_000,)


def test_a_series_has_a_known_timeframe_and_an_instrument() -> None:
    assert parse_series("eur/usd", "1h") == ("EUR/USD", "1h")
    with pytest.raises(ValidationFailed) as caught:
        parse_series("EUR USD", "2h")
    assert [error.pointer for error in caught.value.errors] == ["/instrument", "/timeframe"]


def a_csv_file(folder: Path, content: bytes, name: str = "bars.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["bars.csv", "bars.csv.gz"])
def test_a_file_plain_or_packed_gives_the_same_bars_as_the_same_text_over_http(tmp_path: Path, name: str) -> None:
    body = b"\xef\xbb\xbfDate,Low,High,Close,Open,Volume,Note\n2026-01-01,1.1,3,2,2,5,NA\n\n2026-01-02,1,3,2,2,6,\n"
    content = gzip.compress(body) if name.endswith(".gz") else body
    assert read_bars(a_csv_file(tmp_path, content, name)) == parse_csv(body)


def test_a_file_may_hold_more_bars_than_a_request(tmp_path: Path) -> None:
    rows = b"".join(b"%d,1,1,1,1,1\n" % row for row in range(MAX_BARS + 1))
    assert len(read_bars(a_csv_file(tmp_path, HEADER + rows))) == MAX_BARS + 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (HEADER + b"1,1,1,1,1,1\n\n2,1,1,1,x,1\n", ", line 4: close: not a number"),
        (HEADER + b"1,1,1,1,1,1\n1,1,1,1,1,1\n", ", line 3: time: not later than the bar before it"),
        (HEADER + b"1,1,1,1\n", ", line 2: close: empty"),
        (HEADER + b"1,1,1,1,1,1,1\n", ": Expected 6 fields in line 2, saw 7"),
        (b"time,open,open,high,low,close\n1,1,1,1,1,1\n", ": two columns for open"),
        (b"a;b\n1;2\n", ": no column for time, open, high, low, close"),
        (HEADER, ": no bars"),
        (b"", ": No columns to parse from file"),
        (HEADER + b"1,1,1,1,1,\xff\n", ": 'utf-8' codec can't decode byte 0xff in position 42: invalid start byte"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = a_csv_file(tmp_path, content)
    with pytest.raises(BadBarFile) as caught:
        read_bars(path)
    assert str(caught.value) == f"{path}{reason}"


@pytest.mark.parametrize(
    "content",
    [HEADER, gzip.compress(HEADER * 500)[:-20], gzip.compress(HEADER)[:12] + b"zzz" * 9],
    ids=["not packed", "cut off", "broken inside"],
)
def test_a_badly_packed_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = a_csv_file(tmp_path, content, "bars.csv.gz")
    with pytest.raises(BadBarFile, match=f"^{path}: [^\n]+$"):
        read_bars(path)


def test_a_missing_file_and_a_folder_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadBarFile, match="No such file or directory"):
        read_bars(tmp_path / "missing.csv")
    with pytest.raises(BadBarFile, match="Is a directory"):
        read_bars(tmp_path)
