"""A signal's own chart: the bars around it, with the signal, its stop and its targets marked."""

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
"""How much of the picture shows what came after the signal, where bars of that time are stored."""


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
    requested = service.request_chart(
        session,
        spec,
        Policy.of(settings),
        owner=signal.producer_id,
        now=now,
        request_id=request_id,
        ignore_queue_limit=True,
    )
    service.link_to_signal(session, signal.id, requested.chart.id)
    return requested


def spec_for(session: Session, signal: Signal, settings: Settings) -> ChartSpec | None:
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
    """Up to `count` bars, most of them up to the signal; where fewer are so old, the oldest `count` there are."""
    after = epoch_ms(signal.time) + round(count * SHARE_AFTER) * TIMEFRAME_SECONDS[timeframe] * 1000
    hidden = history.bars_needed((), PANELS, timeframe)
    stored = stored_bars.read(session, signal.instrument, timeframe, until_ms=after, visible=count, hidden=hidden)
    if stored.visible == count:
        return stored
    bars = market.read_first(session, signal.instrument, timeframe, limit=count)
    return StoredBars(bars, len(bars))


def _panels(bars: Bars) -> tuple[Panel, ...]:
    """A volume panel where anything was traded: many sources of FX send zeros."""
    return PANELS if bars.volume is not None and any(bars.volume) else ()


def _annotations(signal: Signal, payload: dict[str, object]) -> tuple[Annotation, ...]:
    """The signal and its order, which without stop and targets is its entry alone."""
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
