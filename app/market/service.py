"""Stores bars and reads them back, many at a time. The same bar sent twice is one bar, as it was sent last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Row,
    Select,
    Table,
    and_,
    any_,
    bindparam,
    exists,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.market.domain import Bars
from app.market.models import Bar
from app.shared.instruments import TIMEFRAME_SECONDS

_ROWS_AT_ONCE: Final = 5_000
_BARS: Final = cast("Table", Bar.__table__)
_KEY: Final = ("instrument", "timeframe", "time")
_VALUES: Final = ("open", "high", "low", "close", "volume")
_COLUMNS: Final = ("time", *_VALUES)


class Upserted(NamedTuple):
    """How many bars were new, and how many took the place of one of the same time."""

    inserted: int
    updated: int


class Holding(NamedTuple):
    """What is stored of one instrument and timeframe; `first` and `last` in epoch milliseconds."""

    instrument: str
    timeframe: str
    bars: int
    first: int
    last: int


def upsert(session: Session, instrument: str, timeframe: str, bars: Bars) -> Upserted:
    """Store bars by their time. `bars` must have passed `domain.check`; any number of them; idempotent."""
    if not bars.time:
        return Upserted(0, 0)
    _lock(session, instrument, timeframe)
    updated = 0
    for start in range(0, len(bars), _ROWS_AT_ONCE):
        columns = _columns(bars, slice(start, start + _ROWS_AT_ONCE))
        updated += _count(session, instrument, timeframe, columns["time"])
        _store(session, instrument, timeframe, columns)
    return Upserted(len(bars) - updated, updated)


def read(session: Session, instrument: str, timeframe: str, *, until_ms: int | None = None, limit: int) -> Bars:
    """The last `limit` bars that start at or before `until_ms`, oldest first; none stored: no bars.

    Bars have a volume in all rows or in none, so when one of those read came without, all are given without.
    """
    newest_first = (
        select(*(_BARS.c[name] for name in _COLUMNS))
        .where(_series(instrument, timeframe), *_until(until_ms))
        .order_by(_BARS.c.time.desc())
        .limit(limit)
    )
    return _bars([*reversed(session.execute(newest_first).all())])


def read_first(session: Session, instrument: str, timeframe: str, *, limit: int) -> Bars:
    """The first `limit` bars there are, as `read` gives them."""
    oldest_first = (
        select(*(_BARS.c[name] for name in _COLUMNS))
        .where(_series(instrument, timeframe))
        .order_by(_BARS.c.time)
        .limit(limit)
    )
    return _bars(session.execute(oldest_first).all())


def known(session: Session, instrument: str, timeframe: str, *, until_ms: int | None = None) -> bool:
    """Whether there is at least one bar (that starts at or before `until_ms`)."""
    return bool(session.scalar(select(_any(instrument, timeframe, until_ms))))


def finest_timeframe(session: Session, instrument: str, *, until_ms: int | None = None) -> str | None:
    """The shortest timeframe with bars of the instrument (at or before `until_ms`); None when there are none."""
    # One look at the key for each timeframe; DISTINCT would walk over every bar of the instrument.
    held = session.execute(select(*(_any(instrument, timeframe, until_ms) for timeframe in TIMEFRAME_SECONDS))).one()
    return next((timeframe for timeframe, is_held in zip(TIMEFRAME_SECONDS, held, strict=True) if is_held), None)


def holdings(session: Session) -> list[Holding]:
    """Everything stored, by instrument and then from the shortest timeframe on. Walks over the whole table."""
    series, time = (_BARS.c.instrument, _BARS.c.timeframe), _BARS.c.time
    counted: Select[Any] = select(*series, func.count(), func.min(time), func.max(time)).group_by(*series)
    found = [Holding(*row) for row in session.execute(counted)]
    return sorted(found, key=lambda holding: (holding.instrument, TIMEFRAME_SECONDS[holding.timeframe]))


def _lock(session: Session, instrument: str, timeframe: str) -> None:
    """One writer of a series at a time, or two might both count the same bars as new.

    A write transaction on SQLite is alone already.
    """
    if _on_postgresql(session):
        key = f"bars:{instrument}:{timeframe}"
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))


def _count(session: Session, instrument: str, timeframe: str, times: Sequence[int]) -> int:
    """How many of these bars are held."""
    among: ColumnElement[bool] = _BARS.c.time.in_(times)
    if _on_postgresql(session):
        # One array is ten times as fast as thousands of parameters.
        among = _BARS.c.time == any_(_array("time", times))
    held = _series(instrument, timeframe) & among
    return session.scalar(select(func.count()).select_from(_BARS).where(held)) or 0


def _store(session: Session, instrument: str, timeframe: str, columns: dict[str, Sequence[Any]]) -> None:
    if _on_postgresql(session):
        # Columns as arrays: half the time of sending row by row.
        arrays = (_array(name, cells) for name, cells in columns.items())
        rows = func.unnest(*arrays).table_valued(*columns).render_derived()
        source = select(literal(instrument), literal(timeframe), *rows.c)
        session.execute(_or_update(postgresql.insert(_BARS).from_select([*_KEY[:2], *columns], source)))
    else:
        names = (*_KEY[:2], *columns)
        bars = zip(*columns.values(), strict=True)
        parameters = [dict(zip(names, (instrument, timeframe, *bar), strict=True)) for bar in bars]
        session.execute(_or_update(sqlite.insert(_BARS)), parameters)


def _array(name: str, cells: Sequence[Any]) -> BindParameter[Any]:
    return bindparam(name, list(cells), postgresql.ARRAY(_BARS.c[name].type))


def _or_update(insert: Any) -> Any:
    return insert.on_conflict_do_update(index_elements=_KEY, set_={name: insert.excluded[name] for name in _VALUES})


def _columns(bars: Bars, part: slice) -> dict[str, Sequence[Any]]:
    missing = (None,) * len(bars)
    return {name: (getattr(bars, name) or missing)[part] for name in _COLUMNS}


def _series(instrument: str, timeframe: str) -> ColumnElement[bool]:
    return and_(_BARS.c.instrument == instrument, _BARS.c.timeframe == timeframe)


def _bars(rows: Sequence[Row[Any]]) -> Bars:
    if not rows:
        return Bars((), (), (), (), ())
    time, opened, high, low, close, volume = zip(*rows, strict=True)
    return Bars(time, opened, high, low, close, None if None in volume else volume)


def _until(until_ms: int | None) -> Iterator[ColumnElement[bool]]:
    if until_ms is not None:
        yield _BARS.c.time <= until_ms


def _any(instrument: str, timeframe: str, until_ms: int | None) -> ColumnElement[bool]:
    return exists().where(_series(instrument, timeframe), *_until(until_ms))


def _on_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
