"""The chart of a signal: the bars around it, with marks for the signal, its stop and its targets."""

from __future__ import annotations

from datetime import datetime
from typing import Final, cast

from sqlalchemy.orm import Session

from app.charts import history, service, stored_bars
from app.charts.domain import Annotation, ChartSpec, OrderMark, Panel, Side, SignalMark, Theme, VolumePanel
from app.charts.history import StoredBars
from app.charts.policy import Policy
from app.charts.service import RequestResult
from app.market import service as market
from app.market.domain import Bars
from app.shared import exact_json
from app.shared.clock import epoch_ms
from app.shared.instruments import TIMEFRAME_SECONDS
from app.signals.domain import levels
from app.signals.models import Signal
from config import Settings

PANELS: Final[tuple[Panel, ...]] = (VolumePanel(),)
SHARE_AFTER: Final = 0.25
"""Share of the visible bars that come after the signal, where such bars are stored."""


def request_signal_chart(
    session: Session, signal: Signal, settings: Settings, *, now: datetime, request_id: str
) -> RequestResult | None:
    """Return the signal's chart, queued where it is new. None while no bars of the instrument are stored."""
    existing = service.find_by_signal(session, signal.id)
    if existing is not None:
        return RequestResult(existing, wake=False)
    spec = spec_for(session, signal, settings)
    if spec is None:
        return None
    policy = Policy.of(settings)
    requested = service.request_chart(
        session, spec, policy, owner=signal.producer_id, now=now, request_id=request_id, ignore_queue_limit=True
    )
    service.link_to_signal(session, signal.id, requested.chart.id)
    return requested


def spec_for(session: Session, signal: Signal, settings: Settings) -> ChartSpec | None:
    """Build the spec of the signal's chart, or return None while no bars of its instrument are stored."""
    payload = exact_json.loads(signal.payload.encode())
    timeframe = payload.get("timeframe") or market.finest_timeframe(session, signal.instrument)
    if timeframe is None:
        return None
    stored = _bars_around(session, signal, timeframe, settings.charts_signal_bars)
    if not len(stored.bars):
        return None
    return ChartSpec(
        type="candlestick",
        data=stored.bars,
        instrument=signal.instrument,
        timeframe=timeframe,
        width=settings.charts_signal_width,
        height=settings.charts_signal_height,
        theme=cast("Theme", settings.charts_signal_theme),
        panels=_panels(stored.bars),
        annotations=_annotations(signal, payload),
        visible=stored.visible if stored.visible < len(stored.bars) else None,
    )


def _bars_around(session: Session, signal: Signal, timeframe: str, count: int) -> StoredBars:
    """Read `count` bars, SHARE_AFTER of them after the signal. Where too few precede it: the oldest `count` bars."""
    after = epoch_ms(signal.time) + round(count * SHARE_AFTER) * TIMEFRAME_SECONDS[timeframe] * 1000
    hidden = history.bars_needed((), PANELS, timeframe)
    stored = stored_bars.read(session, signal.instrument, timeframe, until_ms=after, visible=count, hidden=hidden)
    if stored.visible == count:
        return stored
    bars = market.read_first(session, signal.instrument, timeframe, limit=count)
    return StoredBars(bars, len(bars))


def _panels(bars: Bars) -> tuple[Panel, ...]:
    """A volume panel, unless all volumes are zero: many FX sources send zeros."""
    return PANELS if bars.volume is not None and any(bars.volume) else ()


def _annotations(signal: Signal, payload: dict[str, object]) -> tuple[Annotation, ...]:
    """The marks of the signal and its order. Without stop and targets the order shows its entry only."""
    time = epoch_ms(signal.time)
    price = float(signal.price)
    side = cast("Side", signal.side)
    mark = SignalMark(side=side, time=time, price=price)
    stops = levels(payload, "stop_loss")
    targets = levels(payload, "take_profit")
    order = OrderMark(
        side=side,
        entry=price,
        start=time,
        stop=float(stops[0]) if stops else None,
        targets=tuple(float(target) for target in targets),
    )
    return (order, mark)
