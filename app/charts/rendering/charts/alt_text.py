"""The alternative text of price charts, for screen readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from app.charts.domain import ChartSpec
from app.charts.rendering.charts.price_plan import PricePlan
from app.charts.rendering.frame.time_ticks import calendar, format_instant
from app.charts.rendering.layers.positions import Position
from app.charts.rendering.plotting import number_format

_TYPE_NAMES: Final = {"heikin_ashi": "Heikin-Ashi", "ohlc": "OHLC"}
_MAX_MARKS: Final = 3


def chart_name(spec: ChartSpec) -> str:
    """The title, or instrument and timeframe."""
    return spec.title or " ".join(part for part in (spec.instrument, spec.timeframe) if part)


def price_alt(plan: PricePlan, notes: Sequence[str] = ()) -> str:
    """Type, dates, last close, change, orders and signals; `notes` are warnings about missing annotations."""
    spec, bars = plan.spec, plan.data.full
    days = calendar(bars.time, spec.timezone)
    first, last = (format_instant(int(days.local[end]), dates=days.dates) for end in (0, -1))
    span = f"of {first}" if first == last else f"from {first} to {last}"
    unit = "brick" if spec.type == "renko" else "bar"
    count = number_format.count_text(len(bars), unit)
    opened, close = float(bars.open[0]), plan.data.last_close
    parts = [f"{_TYPE_NAMES.get(spec.type, spec.type.capitalize())} chart, {count} {span}"]
    if plan.data.brick is not None:
        parts.append(f"brick {number_format.price(plan.data.brick, number_format.decimals_for(plan.data.brick))}")
    parts.append(f"close {number_format.price(close, plan.data.decimals)}")
    if opened:
        change = (close - opened) / abs(opened)
        parts.append(f"{'up' if change >= 0 else 'down'} {number_format.percent(abs(change))}")
    parts += _marks(plan)
    name = chart_name(spec)
    note_texts = "".join(f" Note: {warning}." for warning in notes)
    return (f"{name}: " if name else "") + ", ".join(parts) + "." + note_texts


def _marks(plan: PricePlan) -> Iterator[str]:
    """Orders with their levels, then the signals that belong to no order, at most 3 in all."""
    positions = plan.annotations.positions
    signals = [signal for signal in plan.annotations.signals if not signal.on_entry_line]
    decimals = plan.data.decimals
    shown = [_order_text(position) for position in positions[:_MAX_MARKS]]
    shown += [f"{signal.side} at {number_format.price(signal.price, decimals)}" for signal in signals]
    yield from shown[:_MAX_MARKS]
    more = len(positions) + len(signals) - _MAX_MARKS
    if more > 0:
        yield f"{more} more {'orders and signals' if positions else 'signals'}"


def _order_text(position: Position) -> str:
    """Buy at 1.0712, stop 1.0690 (-0.21%), target 1 1.0750 (+0.35%, 1.7R)."""
    level_texts = []
    for level in position.levels[1:]:
        role = "stop" if level.role == "SL" else f"target {level.role[2:]} at"
        parts = f" ({', '.join(level.distance)})" if level.distance else ""
        level_texts.append(f", {role} {level.text}{parts}")
    return f"{position.order.side} at {position.levels[0].text}" + "".join(level_texts)
