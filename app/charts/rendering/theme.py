"""Themes: which colour each part of a chart has, and how a spec's own colours replace them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from app.charts.rendering.color import Color, parse
from app.charts.rendering.errors import RenderError

if TYPE_CHECKING:
    from app.charts.domain import ChartSpec


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a chart. `lines` are given to overlays in their order; `hollow_up` leaves rising bodies open."""

    background: Color
    text: Color
    muted: Color
    grid: Color
    border: Color
    up: Color
    down: Color
    accent: Color
    lines: tuple[Color, ...]
    hollow_up: bool = False


def _lines(*colors: str) -> tuple[Color, ...]:
    return tuple(parse(color) for color in colors)


LIGHT: Final = Theme(
    background=parse("#ffffff"),
    text=parse("#131722"),
    muted=parse("#6a7080"),
    grid=parse("#eef0f4"),
    border=parse("#d9dce3"),
    up=parse("#089981"),
    down=parse("#e8384a"),
    accent=parse("#2962ff"),
    lines=_lines("#2962ff", "#f57c00", "#8e24aa", "#0097a7", "#c2185b", "#6d7a00", "#5d4037", "#3949ab"),
)
DARK: Final = Theme(
    background=parse("#131722"),
    text=parse("#e3e6ee"),
    muted=parse("#8a90a0"),
    grid=parse("#202634"),
    border=parse("#333a4a"),
    up=parse("#22ab94"),
    down=parse("#f7525f"),
    accent=parse("#5b8cff"),
    lines=_lines("#5b8cff", "#ffa726", "#ba68c8", "#26c6da", "#f06292", "#d4e157", "#bcaaa4", "#7986cb"),
)
COLORBLIND: Final = replace(
    LIGHT,
    up=parse("#0072b2"),
    down=parse("#d55e00"),
    accent=parse("#332288"),
    lines=_lines("#56b4e9", "#cc79a7", "#009e73", "#a07d00", "#882255", "#44aa99", "#999933", "#000000"),
    hollow_up=True,
)
THEMES: Final = {"light": LIGHT, "dark": DARK, "colorblind": COLORBLIND}
CUSTOM_KEYS: Final = ("background", "text", "muted", "grid", "border", "up", "down", "accent")


def theme_of(spec: ChartSpec) -> Theme:
    """The spec's theme with its own colours in place; RenderError for a key or colour that is not one."""
    changes: dict[str, Any] = {}
    for key, text in spec.colors.items():
        if key not in CUSTOM_KEYS:
            raise RenderError(f"/colors/{key}", f"unknown; known are {', '.join(CUSTOM_KEYS)}")
        try:
            changes[key] = parse(text)
        except ValueError as error:
            raise RenderError(f"/colors/{key}", str(error)) from error
    return replace(THEMES[spec.theme], **changes) if changes else THEMES[spec.theme]
