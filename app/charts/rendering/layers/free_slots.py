"""How many slots a price chart keeps free after its last bar: for the eye, for later signals and for open positions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.charts.domain import OrderMark, SignalMark
from app.charts.rendering.plotting.timeline import Slot, Timeline, slots_after

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.charts.domain import Annotation
    from app.charts.rendering.plotting.price_data import PriceData

POSITION_SLOTS: Final = 10
_POSITION_SHARE: Final = 0.1
_FREE_SLOTS, _FREE_SHARE = 4, 0.04
_LATER_SLOTS_PER_BAR: Final = 0.5  # half as many slots as bars are a third of the plot
_MIN_LATER_SLOTS: Final = 14
_PIN_GAP: Final = 5


@dataclass(frozen=True, slots=True)
class _Marks:
    """Instants that need slots: of signals, of the starts of orders and of their ends."""

    signals: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]


def timeline_for(
    data: PriceData, annotations: Sequence[Annotation], right_offset: int | None, most: int
) -> tuple[PriceData, Timeline]:
    """The data, coarser where bars and free slots would be more than `most` slots, and its timeline."""
    marks = _marks(annotations)
    ends_at, later = data.ends_at, data.full.time[:0]
    if data.timed:
        instants = (*marks.signals, *marks.starts, *marks.ends)
        count = _opens_needed(len(data.full), right_offset, is_late=max(instants, default=ends_at) >= ends_at)
        ends_at, later = slots_after(data.full.time, data.bar_ms, count, (*marks.signals, *marks.starts))
    factor = max(1, -(-len(data.full) // max(most, 1)))
    while True:
        line = _with_room(Timeline(data.full.time, factor, ends_at, data.bar_ms, later, 0, -1), marks, right_offset)
        if line.slots <= most or line.bars == 1:
            return data.aggregated(factor), line
        factor = max(factor + 1, -(-len(data.full) // max(most - line.free_slots, 1)))


def _marks(annotations: Sequence[Annotation]) -> _Marks:
    orders = [one for one in annotations if isinstance(one, OrderMark)]
    return _Marks(
        tuple(one.time for one in annotations if isinstance(one, SignalMark)),
        tuple(order.start for order in orders),
        tuple(order.end for order in orders if order.end is not None),
    )


def _max_later_slots(bars: int) -> int:
    """The most slots that later signals and orders may add."""
    return max(int(bars * _LATER_SLOTS_PER_BAR), _MIN_LATER_SLOTS)


def _with_room(bare: Timeline, marks: _Marks, right_offset: int | None) -> Timeline:
    """The timeline with its free slots. An order that starts late gets slots for its own width after its start."""
    bars, allowed = bare.bars, _max_later_slots(bare.bars)
    last_start = bars + allowed - POSITION_SLOTS - 1
    room = _usual_room(bars) if right_offset is None else math.ceil(right_offset / bare.factor)
    ends = [slot.index for slot in _slots(bare, marks.ends) if not slot.pinned and slot.index < bars + allowed]
    signals, starts = _slots(bare, marks.signals), _slots(bare, marks.starts)
    near = {slot.index for slot in (*signals, *starts) if not slot.pinned and slot.index <= last_start}
    room = max(room, *(index + 1 - bars for index in (*ends, *near)), 0)
    room = max(room, *(_position_room(slot.index, bars) for slot in starts if slot.index in near), 0)
    pin, labelled = -1, room
    if any(slot.pinned or slot.index > last_start for slot in (*signals, *starts)):
        pin = max(min(max((bars - 1, *near)) + _PIN_GAP, last_start), max((bars - 1, *near)) + 1)
        room = max(room, _position_room(pin, bars))
        labelled = pin - bars
    later = bare.later[: labelled * bare.factor]
    return Timeline(bare.time, bare.factor, bare.ends_at, bare.length, later, room, pin)


def _slots(line: Timeline, instants: Sequence[int]) -> list[Slot]:
    return [slot for instant in instants if (slot := line.find(instant)) is not None]


def _opens_needed(bars: int, right_offset: int | None, *, is_late: bool) -> int:
    """Opening times to look for after the last bar: few, unless something lies there."""
    free = _usual_room(bars) if right_offset is None else right_offset
    return max(free, _max_later_slots(bars) if is_late else _position_room(bars - 1, bars))


def _usual_room(bars: int) -> int:
    return max(_FREE_SLOTS, math.ceil(bars * _FREE_SHARE / (1 - _FREE_SHARE)))


def _position_room(start: int, bars: int) -> int:
    """Free slots for a position from slot `start` on: 10 slots and a tenth of the plot are its least width."""
    by_share = math.ceil((start - (1 - _POSITION_SHARE) * bars) / (1 - _POSITION_SHARE))
    return max(start + POSITION_SLOTS - bars, by_share)
