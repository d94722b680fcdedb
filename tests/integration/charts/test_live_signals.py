"""The chart of a live signal, from its POST to the image: it always shows the whole order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from typing import get_args
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from flask.testing import FlaskClient

from app.charts import service as charts
from app.charts.domain import ChartSpec, OrderMark, parse_canonical
from app.charts.policy import Policy
from app.charts.rendering import engine
from app.charts.rendering.canvas.base import Font
from app.charts.rendering.canvas.text import cap_height, width
from app.charts.rendering.charts.price_plan import plan_price
from app.charts.rendering.image import Image
from app.events import service as events
from app.factory import create_app
from app.market import service as market
from app.market.domain import Bars
from app.resources import Resources
from tools.live_samples import (
    LiveCase,
    Market,
    live_case,
    live_cases,
)
from worker.subscriptions import handle_event

CASES = list(live_cases())
SVG = "{http://www.w3.org/2000/svg}"
DAY_MS = 86_400_000


@dataclass
class Service:
    """The web application and its database, with a clock that tests set."""

    resources: Resources
    client: FlaskClient = field(init=False)
    now: datetime = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def service(resources: Resources) -> Service:
    made = Service(resources)
    made.client = create_app(resources.settings, replace(resources, clock=lambda: made.now)).test_client()
    return made


def post(service: Service, case: LiveCase, **payload: object) -> UUID:
    """Store the bars of the case and post its signal at the signal's own time."""
    instrument = case.name.upper()
    with service.resources.database.transaction() as session:
        market.upsert(session, instrument, case.timeframe, case.bars)
    service.now = datetime.fromtimestamp(case.time / 1000, tz=UTC)
    levels = {"stop_loss": case.stop, "take_profit": list(case.targets), "timeframe": case.timeframe}
    signal = {"instrument": instrument, "side": case.side, "price": case.entry, "time": case.time}
    response = service.client.post(
        "/api/v1/signals",
        json=signal | {"payload": {name: value for name, value in (levels | payload).items() if value}},
    )
    assert response.status_code == 201, response.json
    return UUID(response.get_json()["id"])


def own_spec(service: Service, signal: UUID) -> ChartSpec:
    """Handle the signal's event and return the spec that a worker claims."""
    settings = service.resources.settings
    with service.resources.database.transaction() as session:
        for event in events.claim(session, now=service.now, limit=10, after=None):
            handle_event(session, event, settings, service.now)
    with service.resources.database.transaction() as session:
        chart = charts.find_by_signal(session, signal)
        assert chart is not None
        claim = charts.claim_next(session, Policy.of(settings), now=service.now)
    assert claim is not None
    assert claim.chart_id == chart.id
    return parse_canonical(claim.spec)


def texts_of(image: Image) -> list[tuple[str, float, float, int]]:
    """Every text of an SVG with its left end, its baseline and its size."""
    root = ET.fromstring(image.data)  # noqa: S314 - drawn by the engine itself
    texts = root.iter(f"{SVG}text")
    return [
        (one.text or "", float(one.get("x", 0)), float(one.get("y", 0)), int(one.get("font-size", 0))) for one in texts
    ]


def assert_whole_order(spec: ChartSpec, case: LiveCase, image: Image) -> None:
    """Entry, stop and targets have tags inside the picture, and the position is at least 10 slots wide."""
    assert image.warnings == (), case.name
    tags: dict[str, list[str]] = {
        role: [] for role in ("Entry", "SL", *(f"TP{place + 1}" for place in range(len(case.targets))))
    }
    for text, x, baseline, size in texts_of(image):
        names = text.removeprefix("\N{UPWARDS ARROW} ").removeprefix("\N{DOWNWARDS ARROW} ").split(" ")[0].split("/")
        for role in tags.keys() & set(names):
            tags[role].append(text)
            assert x >= 0, (case.name, text)
            assert x + width(text, Font(size)) <= spec.width, (case.name, text)
            assert cap_height(Font(size)) <= baseline <= spec.height, (case.name, text)
    assert all(len(texts) == 1 for texts in tags.values()), (case.name, tags)
    plan = plan_price(spec)
    (place,) = plan.annotations.positions
    assert place.last - place.first >= 10, case.name
    assert place.last <= plan.timeline.slots, case.name
    assert plan.timeline.free_slots <= max(plan.timeline.slots / 3, 14), case.name
    (mark,) = plan.annotations.signals
    assert mark.index == place.first, case.name
    assert all(part in image.alt for part in (f"{case.side} at ", "stop ", "target 1 at ", "target 2 at ")), case.name
    if mark.time_text:
        assert any(mark.time_text in text for text, *_ in texts_of(image)), case.name


@pytest.mark.parametrize("kind", get_args(Market))
def test_every_live_signal_is_in_its_chart_with_its_whole_order(service: Service, kind: Market):
    for case in CASES:
        if case.name.startswith(kind):
            spec = own_spec(service, post(service, case))
            assert spec.data == case.bars
            assert_whole_order(spec, case, engine.render(replace(spec, format="svg")))
            assert engine.render(spec).warnings == ()


def test_the_cases_cover_signals_in_the_last_bar_after_it_and_too_far_after_it():
    plans = [(case, plan_price(case.spec())) for case in CASES]
    marks = [(case, plan, plan.annotations.signals[0]) for case, plan in plans]
    assert {case.name for case, plan, mark in marks if mark.index == plan.timeline.bars - 1} >= {
        "fx-1h-now-buy-near",
        "stocks-5m-now-sell-far",
        "crypto-1d-now-buy-near",
        "stocks-1w-now-buy-near",
    }
    assert {case.name for case, _, mark in marks if mark.time_text} >= {
        "crypto-5m-month-buy-near",
        "fx-1h-month-sell-far",
    }
    after = {case.name for case, plan, mark in marks if mark.index >= plan.timeline.bars and not mark.time_text}
    assert after >= {"stocks-1d-weekend-buy-near", "fx-1d-yesterday-sell-near", "stocks-1h-weekend-buy-far"}


def test_a_monday_signal_on_daily_stocks_is_in_the_next_slot(service: Service):
    case = live_case("stocks", "1d", "weekend", "buy", "near")
    plan = plan_price(own_spec(service, post(service, case)))
    assert plan.annotations.signals[0].index == plan.timeline.bars
    assert plan.timeline.opens()[plan.timeline.bars] == case.bars.time[-1] + 3 * DAY_MS


def test_a_signal_before_the_first_bar_gets_the_oldest_bars_and_a_label_with_its_time(service: Service):
    case = live_case("crypto", "1h", "now", "buy", "near")
    early = replace(case, time=case.bars.time[0] - 40 * DAY_MS)
    service.resources = replace(service.resources, settings=replace(service.resources.settings, charts_signal_bars=50))
    spec = own_spec(service, post(service, early))
    assert isinstance(spec.data, Bars)
    assert spec.data.time == case.bars.time[:50]
    image = engine.render(replace(spec, format="svg"))
    plan = plan_price(spec)
    assert [(mark.index, bool(mark.time_text)) for mark in plan.annotations.signals] == [(0, True)]
    assert any(plan.annotations.signals[0].time_text in text for text, *_ in texts_of(image))
    assert image.warnings == ()


def test_a_stop_on_the_wrong_side_is_a_warning_and_no_failure(service: Service):
    case = live_case("fx", "1h", "now", "buy", "near")
    signal = post(service, case, stop_loss=case.entry * 1.01, take_profit=[case.entry * 0.99, case.entry])
    image = engine.render(replace(own_spec(service, signal), format="svg"))
    assert sum("must be" in warning for warning in image.warnings) == 3
    texts = [text for text, *_ in texts_of(image)]
    assert any(text.startswith("Entry/TP2 ") for text in texts)
    assert all(any(role in text.split(" ") for text in texts) for role in ("SL", "TP1"))
    assert "must be below the entry of a buy" in image.alt


def test_a_signal_without_stop_and_targets_still_has_its_entry_on_the_axis(service: Service):
    case = live_case("stocks", "5m", "now", "sell", "near")
    signal = post(service, case, stop_loss=None, take_profit=None)
    spec = own_spec(service, signal)
    assert [type(one) for one in spec.annotations].count(OrderMark) == 1
    texts = chain.from_iterable(text[:1] for text in texts_of(engine.render(replace(spec, format="svg"))))
    assert f"Entry {case.entry:.2f}" in list(texts)


def test_a_volume_of_zeros_gets_no_panel(service: Service):
    case = live_case("fx", "1d", "now", "buy", "near")
    silent = replace(case, bars=replace(case.bars, volume=(0.0,) * len(case.bars)))
    assert own_spec(service, post(service, silent)).panels == ()
