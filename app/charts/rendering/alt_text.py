"""The sentence that stands for a chart where it cannot be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.charts.rendering import numbers
from app.charts.rendering.time_ticks import calendar, moment

if TYPE_CHECKING:
    from app.charts.domain import ChartSpec
    from app.charts.rendering.price_plan import PricePlan

_KINDS: Final = {"heikin_ashi": "Heikin-Ashi", "ohlc": "OHLC"}
_SIGNALS: Final = 3


def name_of(spec: ChartSpec) -> str:
    """The title, or instrument and timeframe."""
    return spec.title or " ".join(part for part in (spec.instrument, spec.timeframe) if part)


def price_alt(plan: PricePlan) -> str:
    """Kind, span, last close, change over the span, and the signals."""
    spec, bars = plan.spec, plan.data.full
    days = calendar(bars.time, spec.timezone)
    first, last = (moment(int(days.local[end]), dates=days.dates) for end in (0, -1))
    span = f"of {first}" if first == last else f"from {first} to {last}"
    unit = "brick" if spec.type == "renko" else "bar"
    count = numbers.counted(len(bars), unit)
    opened, close = float(bars.open[0]), plan.data.last_close
    parts = [f"{_KINDS.get(spec.type, spec.type.capitalize())} chart, {count} {span}"]
    if plan.data.brick is not None:
        parts.append(f"brick {numbers.price(plan.data.brick, numbers.decimals_for(plan.data.brick))}")
    parts.append(f"close {numbers.price(close, plan.data.decimals)}")
    if opened:
        change = (close - opened) / abs(opened)
        parts.append(f"{'up' if change >= 0 else 'down'} {numbers.percent(abs(change))}")
    signals = plan.annotations.signals
    parts += [f"{signal.side} at {numbers.price(signal.price, plan.data.decimals)}" for signal in signals[:_SIGNALS]]
    if len(signals) > _SIGNALS:
        parts.append(f"{len(signals) - _SIGNALS} more signals")
    name = name_of(spec)
    return (f"{name}: " if name else "") + ", ".join(parts) + "."
