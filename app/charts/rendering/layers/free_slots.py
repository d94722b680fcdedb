"""Free slots of a price chart after its last bar: a margin, and slots for later signals and open positions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.charts.domain import Annotation, OrderMark, SignalMark
from app.charts.rendering.plotting.price_data import PriceData
from app.charts.rendering.plotting.timeline import Slot, Timeline, slots_after

POSITION_SLOTS: Final = 10
_POSITION_SHARE: Final = 0.1
_FREE_SLOTS, _FREE_SHARE = 4, 0.04
_LATER_SLOTS_PER_BAR: Final = 0.5  # half as many slots as bars fill a third of the plot
_MIN_LATER_SLOTS: Final = 14
_PIN_GAP: Final = 5


@dataclass(frozen=True, slots=True)
class _Instants:
    """Epoch milliseconds that need slots: times of signals, and starts and ends of orders."""

    signals: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]


def timeline_for(
    data: PriceData, annotations: Sequence[Annotation], right_offset: int | None, max_slots: int
) -> tuple[PriceData, Timeline]:
    """The data with its timeline of at most `max_slots` slots.

    Where bars and free slots would be more, neighbouring bars are aggregated.
    """
    instants = _instants(annotations)
    ends_at, later = data.ends_at, data.full.time[:0]
    if data.timed:
        latest = max((*instants.signals, *instants.starts, *instants.ends), default=ends_at)
        count = _opens_needed(len(data.full), right_offset, is_late=latest >= ends_at)
        ends_at, later = slots_after(data.full.time, data.bar_ms, count, (*instants.signals, *instants.starts))
    factor = max(1, -(-len(data.full) // max(max_slots, 1)))
    while True:
        timeline = _with_free_slots(
            Timeline(data.full.time, factor, ends_at, data.bar_ms, later, 0, -1), instants, right_offset
        )
        if timeline.slots <= max_slots or timeline.bars == 1:
            return data.aggregated(factor), timeline
        factor = max(factor + 1, -(-len(data.full) // max(max_slots - timeline.free_slots, 1)))


def _instants(annotations: Sequence[Annotation]) -> _Instants:
    orders = [one for one in annotations if isinstance(one, OrderMark)]
    return _Instants(
        tuple(one.time for one in annotations if isinstance(one, SignalMark)),
        tuple(order.start for order in orders),
        tuple(order.end for order in orders if order.end is not None),
    )


def _max_later_slots(bars: int) -> int:
    """The largest number of slots that later signals and orders may add."""
    return max(int(bars * _LATER_SLOTS_PER_BAR), _MIN_LATER_SLOTS)


def _with_free_slots(bare: Timeline, instants: _Instants, right_offset: int | None) -> Timeline:
    """The timeline with its free slots. An order that starts after the last bar gets slots for its full width."""
    bars, max_later = bare.bars, _max_later_slots(bare.bars)
    last_start = bars + max_later - POSITION_SLOTS - 1
    free = _default_free_slots(bars) if right_offset is None else math.ceil(right_offset / bare.factor)
    ends = [slot.index for slot in _slots(bare, instants.ends) if not slot.pinned and slot.index < bars + max_later]
    signals, starts = _slots(bare, instants.signals), _slots(bare, instants.starts)
    near = {slot.index for slot in (*signals, *starts) if not slot.pinned and slot.index <= last_start}
    free = max(free, *(index + 1 - bars for index in (*ends, *near)), 0)
    free = max(free, *(_free_slots_for_position(slot.index, bars) for slot in starts if slot.index in near), 0)
    pin, labelled = -1, free
    if any(slot.pinned or slot.index > last_start for slot in (*signals, *starts)):
        pin = max(min(max((bars - 1, *near)) + _PIN_GAP, last_start), max((bars - 1, *near)) + 1)
        free = max(free, _free_slots_for_position(pin, bars))
        labelled = pin - bars
    later = bare.later[: labelled * bare.factor]
    return Timeline(bare.time, bare.factor, bare.ends_at, bare.length, later, free, pin)


def _slots(timeline: Timeline, instants: Sequence[int]) -> list[Slot]:
    return [slot for instant in instants if (slot := timeline.find(instant)) is not None]


def _opens_needed(bars: int, right_offset: int | None, *, is_late: bool) -> int:
    """The number of opening times to compute after the last bar. `is_late`: a signal or order lies there."""
    free = _default_free_slots(bars) if right_offset is None else right_offset
    return max(free, _max_later_slots(bars) if is_late else _free_slots_for_position(bars - 1, bars))


def _default_free_slots(bars: int) -> int:
    return max(_FREE_SLOTS, math.ceil(bars * _FREE_SHARE / (1 - _FREE_SHARE)))


def _free_slots_for_position(start: int, bars: int) -> int:
    """Free slots that a position from slot `start` needs: its width is at least 10 slots and a tenth of the plot."""
    by_share = math.ceil((start - (1 - _POSITION_SHARE) * bars) / (1 - _POSITION_SHARE))
    return max(start + POSITION_SLOTS - bars, by_share)
