"""`flask charts`: draws charts without a database or a running service.

Imports the whole chart engine, so `app.cli` imports this module only when the command runs.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NoReturn, get_args

import click
from marshmallow import Schema

from app.charts.api.schemas import OVERLAYS, PANELS, load_spec
from app.charts.domain import PRICE_TYPES, ChartSpec, ImageFormat
from app.charts.rendering import engine
from app.charts.rendering.errors import RenderError
from app.charts.rendering.image import Image
from app.market.csv_files import BadBarFile, read_bars
from app.market.domain import Bars
from app.shared import exact_json
from app.shared.errors import MalformedJson, ValidationFailed
from config import Settings

BAD_INPUT: Final = 2
FAILED: Final = 1


@click.group()
def charts() -> None:
    """Draw charts."""


@charts.command()
@click.argument("spec", required=False, type=click.Path(path_type=Path, allow_dash=True))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write; .png .webp .svg")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Bars: time,open,high,low,close[,volume]")
@click.option("--type", "chart_type", type=click.Choice(PRICE_TYPES), help="Default: candlestick")
@click.option("--overlay", multiple=True, metavar="KIND[:N,...]", help=f"{', '.join(OVERLAYS)}; ema:20, bollinger:20,2")
@click.option("--panel", multiple=True, metavar="KIND[:N,...]", help=f"{', '.join(PANELS)}; rsi:14, macd:12,26,9")
@click.option("--bars", "count", type=click.IntRange(min=1), help="Use the last N bars of the file only")
@click.option("--title", help="Default: the name of the CSV file")
@click.option("--timeframe", help="Label beside the title")
@click.option("--theme", type=click.Choice(["light", "dark", "colorblind"]))
@click.option("--width", type=int, help="Pixels, 64-3000 (1200)")
@click.option("--height", type=int, help="Pixels, 64-3000 (675)")
@click.option("--scale", type=int, help="Image pixels per CSS pixel, 1-3 (1)")
@click.option("--timezone", help="IANA name, such as Europe/Berlin (UTC)")
@click.option("--log", "y_scale", flag_value="log", help="Logarithmic price scale")
def render(spec: Path | None, output: Path, csv_file: Path | None, count: int | None, **options: Any) -> None:
    """Draw one chart from a JSON SPEC in the form of the API (- for standard input), or from a CSV file.

    \b
      flask charts render spec.json -o out.png
      flask charts render --csv bars.csv --type renko --overlay ema:20 --panel rsi -o out.png

    With both, the CSV file replaces the data of the spec. Options override the spec.

    Exit codes: 0 success, 1 not drawn or not written, 2 wrong options, spec or data.
    """
    if spec is None and csv_file is None:
        raise click.UsageError("give a SPEC, or bars with --csv")
    bars = None if csv_file is None else _bars(csv_file, count)
    raw = _raw_spec(spec) if spec is not None else {"type": "candlestick", "title": csv_file and csv_file.stem}
    raw |= _options_as_spec(options)
    if (suffix := output.suffix.removeprefix(".").lower()) in get_args(ImageFormat):
        raw["format"] = suffix
    chart = _complete(raw, bars)
    for path in engine.use_fonts(Settings.from_env().font_folders):
        click.echo(f"warning: CHARTS_FONT_DIRS: {path} is not a scalable font", err=True)
    image = _draw(chart)
    _write(output, image.data)
    click.echo(f"{output}: {image.width}x{image.height}, {len(image.data) / 1000:.1f} kB. {image.alt}")


def _raw_spec(path: Path) -> dict[str, Any]:
    try:
        body = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        raw = exact_json.loads(body)
    except OSError as error:
        _stop(f"{path}: {error.strerror}", BAD_INPUT)
    except MalformedJson as error:
        _stop(f"{path}: {error.detail}", BAD_INPUT)
    if not isinstance(raw, dict):
        _stop(f"{path}: not a JSON object", BAD_INPUT)
    return raw


def _bars(path: Path, count: int | None) -> Bars:
    try:
        bars = read_bars(path)
    except BadBarFile as error:
        _stop(str(error), BAD_INPUT)
    return bars if count is None else bars.cut(-count)


def _options_as_spec(options: dict[str, Any]) -> dict[str, Any]:
    """Translate the options that are set into members of a spec."""
    raw = {name: value for name, value in options.items() if value is not None and name not in {"overlay", "panel"}}
    if chart_type := raw.pop("chart_type", None):
        raw["type"] = chart_type
    for option, name, kinds in (("overlay", "overlays", OVERLAYS), ("panel", "panels", PANELS)):
        if options[option]:
            raw[name] = [_part(option, text, kinds) for text in options[option]]
    return raw


def _part(option: str, text: str, kinds: dict[str, type[Schema]]) -> dict[str, Any]:
    """Parse the short form of an overlay or panel, such as `macd:12,26,9`, into its JSON object."""
    kind, _, numbers = text.partition(":")
    if kind not in kinds:
        raise click.BadParameter(f"{kind!r} is not one of {', '.join(kinds)}", param_hint=f"--{option}")
    names = [name for name in kinds[kind]().fields if name not in {"kind", "color", "width"}]
    values = numbers.split(",") if numbers else []
    if len(values) > len(names):
        raise click.BadParameter(f"{text!r}: {kind} takes {', '.join(names) or 'no numbers'}", param_hint=f"--{option}")
    try:
        return {"kind": kind, **dict(zip(names, map(float, values), strict=False))}
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: expected numbers after the colon", param_hint=f"--{option}") from error


def _complete(raw: dict[str, Any], bars: Bars | None) -> ChartSpec:
    if bars is not None:
        raw["data"] = asdict(bars)
    try:
        request = load_spec(raw)
    except ValidationFailed as error:
        _stop("\n".join(f"{wrong.pointer or '/'}: {wrong.message}" for wrong in error.errors), BAD_INPUT)
    if request.reference is not None:
        _stop("/data: refers to stored bars, which this command does not read; give the bars with --csv", BAD_INPUT)
    return request.complete()


def _draw(spec: ChartSpec) -> Image:
    try:
        image = engine.render(spec)
    except RenderError as error:
        _stop(f"{error.pointer}: {error.message}", BAD_INPUT)
    for warning in image.warnings:
        click.echo(f"warning: {warning}", err=True)
    if image.degraded:
        _stop("matplotlib or Pillow cannot be imported, so no chart can be drawn", FAILED)
    return image


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        _stop(f"{path}: {error.strerror}", FAILED)


def _stop(message: str, code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    raise click.exceptions.Exit(code)
