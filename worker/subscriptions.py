"""The handlers of each kind of event. They run in the transaction that claims the event."""

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
    """A task to publish after the commit. `row_id` is its argument and its task id."""

    task: str
    queue: str
    row_id: str


EventHandler = Callable[[Session, Event, Settings, datetime], list[WakeUp]]


def draw_signal_chart(session: Session, event: Event, settings: Settings, now: datetime) -> list[WakeUp]:
    """Queue the chart of a new signal. Queues nothing while no bars of its instrument are stored."""
    signal = signals.get(session, UUID(event.subject))
    result = request_signal_chart(session, signal, settings, now=now, request_id=event.request_id)
    if result is None or not result.wake:
        return []
    return [WakeUp(RENDER, CHARTS, result.chart.id)]


EVENT_HANDLERS: Final[dict[str, tuple[EventHandler, ...]]] = {
    SIGNAL_RECEIVED: (draw_signal_chart,),
}


def handle_event(session: Session, event: Event, settings: Settings, now: datetime) -> list[WakeUp]:
    """Run all handlers of the event's kind. Returns the tasks to publish after the commit."""
    return [wake for handler in EVENT_HANDLERS.get(event.kind, ()) for wake in handler(session, event, settings, now)]
