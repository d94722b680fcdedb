"""What follows from what: for each kind of event, what is done about it in the transaction that takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.charts.signal_charts import request_signal_chart
from app.events.models import Event
from app.events.service import SIGNAL_RECEIVED
from app.shared.queue import CHARTS, RENDER
from app.signals import queries as signals
from config import Settings


@dataclass(frozen=True, slots=True)
class WakeUp:
    """A task to publish after the commit, for the row of this id."""

    task: str
    queue: str
    row_id: str


EventHandler = Callable[[Session, Event, Settings, datetime], list[WakeUp]]


def draw_signal_chart(session: Session, event: Event, settings: Settings, now: datetime) -> list[WakeUp]:
    signal = signals.get(session, UUID(event.subject))
    requested = request_signal_chart(session, signal, settings, now=now, request_id=event.request_id)
    if requested is None or not requested.wake:
        return []
    return [WakeUp(RENDER, CHARTS, requested.chart.id)]


EVENT_HANDLERS: Final[dict[str, tuple[EventHandler, ...]]] = {
    SIGNAL_RECEIVED: (draw_signal_chart,),
}


def handle_event(session: Session, event: Event, settings: Settings, now: datetime) -> list[WakeUp]:
    return [wake for handler in EVENT_HANDLERS.get(event.kind, ()) for wake in handler(session, event, settings, now)]
