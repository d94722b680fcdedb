"""Other libraries that draw the same chart on a server. benchmarks/render.py compares them with the engine.

Each peer draws candles with a volume panel below, with colours for up and down, as a PNG of the requested size.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Protocol

from app.market.domain import Bars

HERE: Final = Path(__file__).resolve().parent
NODE_PACKAGES: Final = (
    "chart.js@4",
    "chartjs-chart-financial@0.2",
    "@napi-rs/canvas@0.1",
    "chartjs-adapter-date-fns@3",
    "date-fns@4",
)
INSTALL_SECONDS: Final = 300
UP, DOWN = "#089981", "#e8384a"


class Peer(Protocol):
    """A renderer with the bars that it draws."""

    name: str

    def load(self, bars: Bars, width: int, height: int) -> None:
        """Convert the bars to the input of this renderer. Not measured."""

    def render(self) -> tuple[float, bytes | int]:
        """Milliseconds of one render, and the PNG or its size."""


class Mplfinance:
    name = "mplfinance"

    def __init__(self) -> None:
        import matplotlib as mpl

        mpl.use("Agg")
        import mplfinance
        import pandas as pd

        self._mpf, self._pandas = mplfinance, pd

    def load(self, bars: Bars, width: int, height: int) -> None:
        columns = {name.capitalize(): values for name, values in asdict(bars).items() if name != "time"}
        self._frame = self._pandas.DataFrame(columns, index=self._pandas.to_datetime(list(bars.time), unit="ms"))
        colors = self._mpf.make_marketcolors(up=UP, down=DOWN, edge="inherit", wick="inherit", volume="inherit")
        style = self._mpf.make_mpf_style(marketcolors=colors, gridcolor="#eef0f4")
        self._options: dict[str, Any] = {
            "type": "candle",
            "volume": True,
            "style": style,
            "title": "GOOG 1d",
            "figsize": (width / 100, height / 100),
            "warn_too_much_data": len(bars) + 1,
        }

    def render(self) -> tuple[float, bytes | int]:
        begin = perf_counter()
        out = BytesIO()
        self._mpf.plot(self._frame, savefig={"fname": out, "dpi": 100, "format": "png"}, **self._options)
        return (perf_counter() - begin) * 1000, out.getvalue()


class VlConvert:
    name = "vl-convert"

    def __init__(self) -> None:
        import vl_convert

        self._convert = vl_convert.vegalite_to_png

    def load(self, bars: Bars, width: int, height: int) -> None:
        columns = zip(*(getattr(bars, name) for name in _COLUMNS), strict=True)
        self._chart = vega_lite([dict(zip(_COLUMNS, row, strict=True)) for row in columns], width, height)

    def render(self) -> tuple[float, bytes | int]:
        begin = perf_counter()
        png = self._convert(self._chart)
        return (perf_counter() - begin) * 1000, png


class ChartJs:
    """Chart.js 4 on Skia in one Node process, whose start is not measured."""

    name = "Chart.js on Skia"

    def __init__(self, folder: Path) -> None:
        npm, node = shutil.which("npm"), shutil.which("node")
        if npm is None or node is None:
            raise FileNotFoundError("Node is not installed")
        shutil.copy(HERE / "render_chartjs.mjs", folder)
        subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error", *NODE_PACKAGES],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=INSTALL_SECONDS,
        )
        self._process = subprocess.Popen(
            [node, "render_chartjs.mjs"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def load(self, bars: Bars, width: int, height: int) -> None:
        self._send({"bars": asdict(bars), "width": width, "height": height})

    def render(self, save: str | None = None) -> tuple[float, bytes | int]:
        self._send({"save": save})
        assert self._process.stdout is not None
        response = json.loads(self._process.stdout.readline())
        return response["milliseconds"], response["bytes"]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


_COLUMNS: Final = ("time", "open", "high", "low", "close", "volume")


def vega_lite(rows: list[dict[str, float]], width: int, height: int) -> dict[str, Any]:
    """Candles above volume in Vega-Lite. The inner sizes leave room for the axes: the image has the given size."""
    inner, candle = width - 80, max(1.0, 0.8 * (width - 80) / len(rows))
    color = {"condition": {"test": "datum.close >= datum.open", "value": UP}, "value": DOWN}
    x = {"field": "time", "type": "temporal", "axis": {"title": None}}
    price = {"type": "quantitative", "scale": {"zero": False}, "axis": {"title": None, "orient": "right"}}
    wick = {"mark": "rule", "encoding": {"y": {"field": "low", **price}, "y2": {"field": "high"}}}
    body = {
        "mark": {"type": "bar", "size": candle},
        "encoding": {"y": {"field": "open", **price}, "y2": {"field": "close"}},
    }
    volume = {"field": "volume", "type": "quantitative", "axis": {"title": None, "orient": "right"}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "title": "GOOG 1d",
        "padding": 10,
        "data": {"values": rows},
        "vconcat": [
            {"width": inner, "height": height * 0.655, "layer": [wick, body], "encoding": {"x": x, "color": color}},
            {
                "width": inner,
                "height": height * 0.17,
                "mark": {"type": "bar", "size": candle},
                "encoding": {"x": x, "y": volume, "color": color},
            },
        ],
    }


@contextmanager
def available_peers() -> Iterator[tuple[list[Peer], list[str]]]:
    """The peers that can run on this machine, and a line for each that cannot. Node's packages are temporary."""
    with tempfile.TemporaryDirectory(prefix="render-peers-") as folder:
        peers: list[Peer] = []
        missing: list[str] = []
        for name, make in (
            (Mplfinance.name, Mplfinance),
            (VlConvert.name, VlConvert),
            (ChartJs.name, lambda: ChartJs(Path(folder))),
        ):
            try:
                peers.append(make())
            except (ImportError, OSError, subprocess.SubprocessError) as error:
                missing.append(f"{name}: skipped, {error}")
        try:
            yield peers, missing
        finally:
            for peer in peers:
                if isinstance(peer, ChartJs):
                    with suppress(OSError, subprocess.TimeoutExpired):
                        peer.close()
