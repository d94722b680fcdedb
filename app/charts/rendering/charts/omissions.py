"""Parts of a price chart's spec that its image does not show, named for warnings and alternative text."""

from __future__ import annotations

from typing import Final

from app.charts.rendering.charts.price_plan import PricePlan
from app.charts.rendering.layers.panels import panel_name

_MIN_PRICE_AXIS_WIDTH: Final = 8
_MIN_TIME_AXIS_HEIGHT: Final = 10


def omissions(plan: PricePlan) -> list[str]:
    """A warning for each part of the chart that does not fit or lies outside the scale."""
    warnings = list(plan.header.warnings)
    if hidden := hidden_panels(plan):
        count = f"{len(hidden)} of {len(plan.spec.panels)} panels"
        warnings.append(f"the picture is too low for {count}, not drawn: {'; '.join(hidden)}")
    warnings += [f"{name} lies outside the prices shown and is not seen" for name in unseen_overlays(plan)]
    sizes = plan.sizes
    if sizes.width - plan.right <= sizes.px(_MIN_PRICE_AXIS_WIDTH):
        warnings.append("the picture is too narrow for a price axis")
    if sizes.height - plan.rows.axis_top <= sizes.px(_MIN_TIME_AXIS_HEIGHT):
        warnings.append("the picture is too low for a time axis")
    return warnings


def not_drawn(plan: PricePlan) -> list[str]:
    """Names of the panels and overlays that are not drawn."""
    empty = [study.name for study in (*plan.overlays, *plan.panels) if study.warning]
    return [*empty, *unseen_overlays(plan), *hidden_panels(plan)]


def hidden_panels(plan: PricePlan) -> list[str]:
    """Names of the panels that do not fit, from top to bottom."""
    return [panel_name(panel) for panel in plan.spec.panels[len(plan.panels) :]]


def unseen_overlays(plan: PricePlan) -> list[str]:
    """Names of the overlays whose values all lie above or all lie below the scale."""
    scale = plan.plots[0].y
    return [study.name for study in plan.overlays if study.low > scale.high or study.high < scale.low]
