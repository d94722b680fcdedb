"""Stores and reads bars in bulk. A bar replaces the stored one of the same instrument, timeframe and time."""

from __future__ import annotations

from collections.abc import Sequence
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

_BATCH_SIZE: Final = 5_000
_BARS: Final = cast("Table", Bar.__table__)
_KEY: Final = ("instrument", "timeframe", "time")
_VALUES: Final = ("open", "high", "low", "close", "volume")
_COLUMNS: Final = ("time", *_VALUES)


class Upserted(NamedTuple):
    """The numbers of new bars and of bars that replaced one of the same time."""

    inserted: int
    updated: int


class StoredSeries(NamedTuple):
    """The stored bars of an instrument and timeframe: their number, first and last time in epoch milliseconds."""

    instrument: str
    timeframe: str
    bars: int
    first: int
    last: int


def upsert(session: Session, instrument: str, timeframe: str, bars: Bars) -> Upserted:
    """Store any number of bars, which must have passed `domain.check`. Idempotent."""
    if not bars.time:
        return Upserted(0, 0)
    _lock(session, instrument, timeframe)
    updated = 0
    for start in range(0, len(bars), _BATCH_SIZE):
        columns = _columns(bars, slice(start, start + _BATCH_SIZE))
        updated += _count(session, instrument, timeframe, columns["time"])
        _store(session, instrument, timeframe, columns)
    return Upserted(len(bars) - updated, updated)


def read(session: Session, instrument: str, timeframe: str, *, until_ms: int | None = None, limit: int) -> Bars:
    """The last `limit` bars that start at or before `until_ms`, oldest first; empty if none are stored.

    Bars have a volume in all rows or in none: if one of these bars has no volume, all are returned without.
    """
    newest_first = _select(instrument, timeframe).order_by(_BARS.c.time.desc()).limit(limit)
    if until_ms is not None:
        newest_first = newest_first.where(_BARS.c.time <= until_ms)
    return _bars([*reversed(session.execute(newest_first).all())])


def read_first(session: Session, instrument: str, timeframe: str, *, limit: int) -> Bars:
    """The first `limit` bars, oldest first, as `read` returns them."""
    oldest_first = _select(instrument, timeframe).order_by(_BARS.c.time).limit(limit)
    return _bars(session.execute(oldest_first).all())


def finest_timeframe(session: Session, instrument: str) -> str | None:
    """The shortest timeframe with bars of the instrument; None if there are none."""
    # One index lookup for each timeframe; DISTINCT would scan all bars of the instrument.
    conditions = [exists().where(_series(instrument, timeframe)) for timeframe in TIMEFRAME_SECONDS]
    stored = zip(TIMEFRAME_SECONDS, session.execute(select(*conditions)).one(), strict=True)
    return next((timeframe for timeframe, has_bars in stored if has_bars), None)


def summarize(session: Session) -> list[StoredSeries]:
    """All stored series, by instrument and length of timeframe. Scans the whole table."""
    series, time = (_BARS.c.instrument, _BARS.c.timeframe), _BARS.c.time
    counted: Select[Any] = select(*series, func.count(), func.min(time), func.max(time)).group_by(*series)
    stored = [StoredSeries(*row) for row in session.execute(counted)]
    return sorted(stored, key=lambda item: (item.instrument, TIMEFRAME_SECONDS[item.timeframe]))


def _lock(session: Session, instrument: str, timeframe: str) -> None:
    """Lets one transaction at a time write a series: otherwise two could count the same bars as new.

    SQLite has only one writing transaction anyway.
    """
    if _on_postgresql(session):
        key = f"bars:{instrument}:{timeframe}"
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))


def _count(session: Session, instrument: str, timeframe: str, times: Sequence[int]) -> int:
    """The number of bars that are stored with one of these times."""
    among: ColumnElement[bool] = _BARS.c.time.in_(times)
    if _on_postgresql(session):
        # An array parameter is ten times as fast as thousands of parameters.
        among = _BARS.c.time == any_(_array("time", times))
    stored = _series(instrument, timeframe) & among
    return session.scalar(select(func.count()).select_from(_BARS).where(stored)) or 0


def _store(session: Session, instrument: str, timeframe: str, columns: dict[str, Sequence[Any]]) -> None:
    if _on_postgresql(session):
        # Columns sent as arrays take half the time of rows.
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


def _select(instrument: str, timeframe: str) -> Select[Any]:
    return select(*(_BARS.c[name] for name in _COLUMNS)).where(_series(instrument, timeframe))


def _series(instrument: str, timeframe: str) -> ColumnElement[bool]:
    return and_(_BARS.c.instrument == instrument, _BARS.c.timeframe == timeframe)


def _bars(rows: Sequence[Row[Any]]) -> Bars:
    if not rows:
        return Bars((), (), (), (), ())
    time, opened, high, low, close, volume = zip(*rows, strict=True)
    return Bars(time, opened, high, low, close, None if None in volume else volume)


def _on_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
