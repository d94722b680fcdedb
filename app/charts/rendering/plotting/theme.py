"""Themes: the colours of the parts of a chart, and the use of a spec's own colours.

Text has a contrast of at least 4.5 to its background, a mark or a line at least 3 (WCAG 2.2, 1.4.3 and 1.4.11). Grid
and borders may have less, and so may translucent areas with a line at their edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, cast

from app.charts.domain import ChartSpec
from app.charts.rendering.canvas.color import (
    MARK_CONTRAST,
    TEXT_CONTRAST,
    WHITE,
    Rgba,
    parse,
)
from app.charts.rendering.errors import RenderError


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a chart. Overlays use `lines` in turn. With `hollow_up`, rising bodies are outlines."""

    background: Rgba
    text: Rgba
    muted: Rgba
    grid: Rgba
    border: Rgba
    up: Rgba
    down: Rgba
    accent: Rgba
    lines: tuple[Rgba, ...]
    hollow_up: bool = False

    def text_in(self, color: Rgba) -> Rgba:
        """The colour for text on the background, darkened or lightened where its contrast is too low."""
        return color.readable_on(self.background, TEXT_CONTRAST)

    def faint(self, color: Rgba, share: float) -> Rgba:
        """The colour for a faint line or mark: at opacity `share` on the background, or higher for enough contrast."""
        return color.faint_on(self.background, share, MARK_CONTRAST)


def _lines(*colors: str) -> tuple[Rgba, ...]:
    return tuple(parse(color) for color in colors)


LIGHT: Final = Theme(
    background=parse("#ffffff"),
    text=parse("#131722"),
    muted=parse("#6a7080"),
    grid=parse("#eef0f4"),
    border=parse("#d9dce3"),
    up=parse("#08806c"),
    down=parse("#d92d41"),
    accent=parse("#2962ff"),
    lines=_lines(
        *("#e77405", "#8f24aa", "#1798c7", "#d7167d", "#708a02", "#785547"),
        *("#2b3594", "#ab79fb", "#b9870e", "#219c3d", "#b0687a", "#025e69"),
    ),
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
    lines=_lines(
        *("#ffa726", "#c775e9", "#13c5ec", "#ff7bc7", "#dae359", "#af8d7a"),
        *("#795cff", "#ffe8aa", "#86d04e", "#d9763b", "#a8d0f4", "#429343"),
    ),
)
COLORBLIND: Final = replace(
    LIGHT,
    up=parse("#0072b2"),
    down=parse("#c65300"),
    accent=parse("#332288"),
    lines=_lines(
        *("#429adb", "#a74a97", "#118b66", "#b18a0e", "#8a2657", "#478418"),
        *("#555500", "#7f6dd8", "#8b5a44", "#ea5a97", "#024d40", "#959657"),
    ),
    hollow_up=True,
)
THEMES: Final = {"light": LIGHT, "dark": DARK, "colorblind": COLORBLIND}
CUSTOM_KEYS: Final = ("background", "text", "muted", "grid", "border", "up", "down", "accent")


_TEXTS: Final = ("text", "muted")
_MARKS: Final = ("up", "down", "accent")
_GRID_SHARE, _BORDER_SHARE = 0.07, 0.17


def theme_of(spec: ChartSpec) -> Theme:
    """The spec's theme with the spec's own colours. Raises RenderError for an unknown key or a malformed colour.

    For a background of the spec, the theme's colours are adjusted: text, grid and border are dark or light, whichever
    has the higher contrast. The spec's colours for text are darkened or lightened until they can be read. Its colours
    for marks are used as they are; text in them is adjusted.
    """
    changes = _parsed(spec)
    if not changes:
        return THEMES[spec.theme]
    base = THEMES[spec.theme]
    if "background" in changes:
        base = _on_background(base, changes["background"])
    changes |= {key: base.text_in(changes[key]) for key in _TEXTS if key in changes}
    return replace(base, **cast("dict[str, Any]", changes))


def color_warnings(spec: ChartSpec) -> list[str]:
    """Warnings about the spec's colours that are replaced or are hard to see on its background."""
    changes, theme = _parsed(spec), theme_of(spec)
    warnings = [
        f"colors/{key}: {changes[key].hex} cannot be read on {theme.background.hex}, {getattr(theme, key).hex} is used"
        for key in _TEXTS
        if key in changes and changes[key] != getattr(theme, key)
    ]
    marks = [(f"colors/{key}", changes[key]) for key in _MARKS if key in changes]
    marks += [
        (f"overlays/{index}/color", parse(overlay.color))
        for index, overlay in enumerate(spec.overlays)
        if overlay.color is not None
    ]
    return warnings + [
        f"{name}: {color.hex} has a contrast of {color.contrast(theme.background):.1f} to the background and is hard "
        f"to see; {MARK_CONTRAST:g} is enough"
        for name, color in marks
        if color.contrast(theme.background) < MARK_CONTRAST
    ]


def _parsed(spec: ChartSpec) -> dict[str, Rgba]:
    changes: dict[str, Rgba] = {}
    for key, text in spec.colors.items():
        if key not in CUSTOM_KEYS:
            raise RenderError(f"/colors/{key}", f"unknown colour; use one of {', '.join(CUSTOM_KEYS)}")
        try:
            changes[key] = parse(text)
        except ValueError as error:
            raise RenderError(f"/colors/{key}", str(error)) from error
    return changes


def _on_background(theme: Theme, background: Rgba) -> Theme:
    """The theme adjusted to another background. A dark background makes the light theme dark, and vice versa."""
    ground = DARK if background.ink() == WHITE else LIGHT
    if theme in (LIGHT, DARK):
        theme = ground
    text = ground.text.readable_on(background, TEXT_CONTRAST)
    marks: dict[str, Any] = {key: getattr(theme, key).readable_on(background, MARK_CONTRAST) for key in _MARKS}
    return replace(
        theme,
        background=background,
        text=text,
        muted=ground.muted.readable_on(background, TEXT_CONTRAST),
        grid=text.faded(_GRID_SHARE).over(background),
        border=text.faded(_BORDER_SHARE).over(background),
        lines=tuple(color.readable_on(background, MARK_CONTRAST) for color in theme.lines),
        **marks,
    )
