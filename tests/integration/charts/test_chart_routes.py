"""The charts API in one process, with a stand-in for the worker: requests, polling, images and refusals."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import undefer
from werkzeug.test import TestResponse

from app.charts import jobs, service
from app.charts.domain import parse_canonical
from app.charts.models import Chart
from app.charts.policy import Policy
from app.charts.service import RenderResult
from app.factory import create_app
from app.market import service as market
from app.market.csv_files import read_bars
from app.market.domain import Bars
from app.resources import Resources
from app.shared.clock import utc_now
from config import ROOT

PNG = b"\x89PNG stands for the bytes of an image"
PATH = "charts/2026/11/24/picture.png"
BARS = Bars((1_000, 2_000, 3_000), (1.0, 1.5, 2.0), (2.0, 2.5, 3.0), (0.5, 1.0, 1.5), (1.5, 2.0, 2.5), (1.0, 2.0, 3.0))
HISTOGRAM: dict[str, Any] = {"type": "histogram", "data": {"values": [1, 2, 2, 3]}}
STORED: dict[str, Any] = {"type": "candlestick", "data": {"instrument": "EURUSD", "timeframe": "1h"}}


def post(client: FlaskClient, spec: dict[str, Any], **headers: str) -> Any:
    return client.post("/api/v1/charts", json=spec, headers=headers)


def draw(resources: Resources, chart_id: str, *, degraded: bool = False, stored: bool = True) -> None:
    """Do what a worker does, with stand-in bytes: claim the chart, store the file, record the result."""
    policy = Policy.of(resources.settings)
    with resources.database.transaction() as session:
        lease = service.claim_next(session, policy, now=utc_now())
    assert lease is not None
    if stored:
        resources.store.write(PATH, PNG)
    result = RenderResult(PATH, hashlib.sha256(PNG).hexdigest(), len(PNG), ["a warning"], "a sentence", degraded)
    with resources.database.transaction() as session:
        assert service.complete(session, lease, result, policy, now=utc_now())


def change(resources: Resources, chart_id: str, **values: Any) -> None:
    with resources.database.transaction() as session:
        chart = session.get_one(Chart, chart_id)
        for name, value in values.items():
            setattr(chart, name, value)


def is_problem(response: TestResponse, status: int, slug: str) -> bool:
    return (
        response.status_code == status
        and response.content_type == "application/problem+json"
        and json.loads(response.data)["type"].endswith(slug)
    )


@pytest.fixture
def chart_id(client: FlaskClient) -> str:
    """The id of a queued chart."""
    return str(post(client, HISTOGRAM).json["id"])


def test_a_new_chart_is_accepted_and_can_be_polled(client):
    response = post(client, HISTOGRAM)
    assert response.status_code == 202
    assert response.headers["Retry-After"] == "1"
    assert response.headers["Location"] == f"/api/v1/charts/{response.json['id']}"
    assert (response.json["status"], response.json["image_url"], response.json["attempts"]) == ("queued", None, 0)
    assert client.get(response.headers["Location"]).json == response.json


def test_a_request_that_spells_out_defaults_is_the_same_chart(client):
    spelled_out = HISTOGRAM | {"theme": "light", "scale": 1, "overlays": []}
    assert post(client, HISTOGRAM).json["id"] == post(client, spelled_out).json["id"]


def test_a_request_for_a_ready_chart_returns_200_with_the_image_url(client, resources, chart_id):
    draw(resources, chart_id)
    response = post(client, HISTOGRAM)
    assert response.status_code == 200
    assert response.json["warnings"] == ["a warning"]
    image = client.get(response.json["image_url"])
    assert (image.status_code, image.data, image.content_type) == (200, PNG, "image/png")
    assert image.headers["X-Content-Type-Options"] == "nosniff"
    seconds = resources.settings.media_retention_days * 86_400
    assert image.headers["Cache-Control"].startswith("private, max-age=")
    assert seconds - 60 <= int(image.headers["Cache-Control"].split("=")[1].split(",")[0]) <= seconds


def test_a_request_with_the_current_etag_gets_304(client, resources, chart_id):
    draw(resources, chart_id)
    first = client.get(f"/api/v1/charts/{chart_id}.png")
    again = client.get(f"/api/v1/charts/{chart_id}.png", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    other = client.get(f"/api/v1/charts/{chart_id}.png", headers={"If-None-Match": '"another"'})
    assert other.status_code == 200


@pytest.mark.parametrize("header", ["W/{etag}", '"another", W/{etag}', '{etag}, W/"another"', "*"])
def test_an_image_the_caller_has_under_a_weak_tag_is_not_sent_again(client, resources, chart_id, header):
    draw(resources, chart_id)
    etag = client.get(f"/api/v1/charts/{chart_id}.png").headers["ETag"]
    response = client.get(f"/api/v1/charts/{chart_id}.png", headers={"If-None-Match": header.format(etag=etag)})
    assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", etag)


def test_a_weak_tag_of_another_image_gets_the_image(client, resources, chart_id):
    draw(resources, chart_id)
    response = client.get(f"/api/v1/charts/{chart_id}.png", headers={"If-None-Match": 'W/"another"'})
    assert (response.status_code, response.data) == (200, PNG)


def test_head_returns_the_length_without_the_image(client, resources, chart_id):
    draw(resources, chart_id)
    response = client.head(f"/api/v1/charts/{chart_id}.png")
    assert (response.status_code, response.data, response.headers["Content-Length"]) == (200, b"", str(len(PNG)))


def test_a_request_for_an_image_that_is_not_drawn_yet_gets_202_with_the_status(client, chart_id):
    response = client.get(f"/api/v1/charts/{chart_id}.png")
    assert (response.status_code, response.json["status"]) == (202, "queued")
    assert response.headers["Retry-After"] == "1"


def test_an_expired_image_is_410_gone(client, resources, chart_id):
    draw(resources, chart_id)
    change(resources, chart_id, status=service.EXPIRED, path=None)
    assert is_problem(client.get(f"/api/v1/charts/{chart_id}.png"), 410, "gone")
    assert post(client, HISTOGRAM).status_code == 202


def test_a_failed_chart_returns_its_error(client, resources, chart_id):
    change(resources, chart_id, status=service.FAILED, error="the brick is too small", due_at=None)
    response = client.get(f"/api/v1/charts/{chart_id}.png")
    assert is_problem(response, 424, "chart-failed")
    assert "the brick is too small" in json.loads(response.data)["detail"]


def test_unknown_charts_are_not_found(client):
    for path in (
        "/api/v1/charts/" + "0" * 32,
        "/api/v1/charts/" + "0" * 32 + ".png",
        "/api/v1/charts/..%2f..%2fetc.png",
    ):
        assert is_problem(client.get(path), 404, "not-found"), path


def test_a_chart_has_one_format(client, resources, chart_id):
    draw(resources, chart_id)
    assert is_problem(client.get(f"/api/v1/charts/{chart_id}.webp"), 404, "not-found")


def test_an_image_whose_file_is_lost_is_drawn_again(client, resources, chart_id):
    draw(resources, chart_id, stored=False)
    response = client.get(f"/api/v1/charts/{chart_id}.png")
    assert (response.status_code, response.json["status"]) == (202, "queued")
    draw(resources, chart_id)
    assert client.get(f"/api/v1/charts/{chart_id}.png").data == PNG


def test_a_placeholder_is_served_and_not_cached(client, resources, chart_id):
    draw(resources, chart_id, degraded=True)
    image = client.get(f"/api/v1/charts/{chart_id}.png")
    assert (image.status_code, image.headers["Cache-Control"]) == (200, "no-store")
    assert not [*resources.redis.scan_iter("media:*")]
    assert client.get(f"/api/v1/charts/{chart_id}").json["degraded"]


def test_a_chart_of_stored_bars_changes_its_id_when_the_bars_do(client, resources):
    def store(bars: Bars) -> None:
        with resources.database.transaction() as session:
            market.upsert(session, "EURUSD", "1h", bars)

    assert is_problem(post(client, STORED), 422, "validation-failed")
    store(BARS)
    first = post(client, STORED)
    assert first.status_code == 202
    store(replace(BARS, close=(1.5, 2.0, 2.75)))
    assert post(client, STORED).json["id"] != first.json["id"]


def test_every_invalid_value_is_reported_with_its_pointer(client):
    response = post(client, {"type": "pie", "width": 1, "data": {"values": []}, "surprise": 1})
    assert is_problem(response, 422, "validation-failed")
    pointers = {error["pointer"] for error in json.loads(response.data)["errors"]}
    assert {"/type", "/width", "/surprise"} <= pointers


def test_bodies_over_the_limit_or_of_another_type_are_refused(resources):
    small = replace(resources.settings, charts_max_body_bytes=100)
    client = create_app(small, replace(resources, settings=small)).test_client()
    assert is_problem(post(client, HISTOGRAM | {"title": "x" * 200}), 413, "payload-too-large")
    response = client.post("/api/v1/charts", data=b"{}", content_type="text/plain")
    assert is_problem(response, 415, "unsupported-media-type")


def test_a_full_queue_refuses_with_retry_after(resources):
    full = replace(resources.settings, charts_max_queue=1)
    client = create_app(full, replace(resources, settings=full)).test_client()
    assert post(client, HISTOGRAM).status_code == 202
    response = post(client, HISTOGRAM | {"title": "another"})
    assert is_problem(response, 503, "unavailable")
    assert int(response.headers["Retry-After"]) > 0


def test_prefer_wait_ends_after_its_seconds(client):
    response = post(client, HISTOGRAM, Prefer="respond-async, wait=1")
    assert (response.status_code, response.headers["Preference-Applied"]) == (202, "wait=1")


def test_charts_are_accepted_without_a_broker(resources, settings):
    unreachable = replace(settings, celery_broker_url="redis://127.0.0.1:1/0")
    without_broker = Resources.build(unreachable)
    response = post(create_app(unreachable, without_broker).test_client(), HISTOGRAM)
    without_broker.close()
    assert response.status_code == 202
    with resources.database.transaction() as session:
        due = jobs.wake_due(session, Policy.of(settings), now=utc_now() + timedelta(minutes=1), limit=9)
    assert list(due) == [response.json["id"]]


def a_signal(client: FlaskClient) -> str:
    response = client.post(
        "/api/v1/signals", json={"instrument": "EURUSD", "side": "buy", "price": "2.0", "time": 2_000}
    )
    assert response.json is not None
    return str(response.json["id"])


def test_a_signal_has_no_chart_until_bars_are_stored(client, resources):
    url = f"/api/v1/signals/{a_signal(client)}/chart"
    assert is_problem(client.get(url), 404, "not-found")
    with resources.database.transaction() as session:
        market.upsert(session, "EURUSD", "1h", BARS)
    assert client.get(url).json["status"] == "queued"
    assert client.get(f"{url}.png").status_code == 202


def test_a_signal_keeps_its_chart_when_bars_change(client, resources):
    with resources.database.transaction() as session:
        market.upsert(session, "EURUSD", "1h", BARS)
    url = f"/api/v1/signals/{a_signal(client)}/chart"
    first = client.get(url).json["id"]
    with resources.database.transaction() as session:
        market.upsert(session, "EURUSD", "1h", replace(BARS, close=(1.5, 2.0, 2.75)))
    assert client.get(url).json["id"] == first


def test_an_unknown_signal_has_no_chart(client):
    assert is_problem(client.get(f"/api/v1/signals/{'0' * 8}-0000-7000-8000-{'0' * 12}/chart"), 404, "not-found")


def stored_spec(resources: Resources, chart_id: str) -> Any:
    with resources.database.reading() as session:
        return parse_canonical(session.get_one(Chart, chart_id, options=[undefer(Chart.spec)]).spec)


def test_stored_bars_come_with_the_history_their_indicators_need(client, resources):
    bars = read_bars(ROOT / "examples" / "data" / "goog_1d.csv")
    with resources.database.transaction() as session:
        market.upsert(session, "GOOG", "1d", bars)
    data = {"instrument": "GOOG", "timeframe": "1d", "bars": 60}
    averaged = {"type": "candlestick", "data": data, "overlays": [{"kind": "ema", "period": 50}]}
    spec = stored_spec(resources, post(client, averaged).json["id"])
    assert (len(spec.data.time), spec.visible) == (260, 60)
    assert spec.data.time == bars.time[-260:]
    plain = stored_spec(resources, post(client, {"type": "candlestick", "data": data}).json["id"])
    assert (len(plain.data.time), plain.visible) == (60, None)


def test_history_without_a_volume_does_not_take_it_from_the_bars_that_are_shown(client, resources):
    bars = read_bars(ROOT / "examples" / "data" / "goog_1d.csv")
    with resources.database.transaction() as session:
        market.upsert(session, "GOOG", "1d", bars)
        old = slice(-100, -90)
        market.upsert(session, "GOOG", "1d", Bars(bars.time[old], *(part[old] for part in columns_of(bars)[1:])))
    data = {"instrument": "GOOG", "timeframe": "1d", "bars": 60}
    both = {"panels": [{"kind": "volume"}], "overlays": [{"kind": "sma", "period": 50}]}
    response = post(client, {"type": "candlestick", "data": data, **both})
    assert response.status_code == 202
    assert bars.volume is not None
    assert stored_spec(resources, response.json["id"]).data.volume == bars.volume[-60:]


def columns_of(bars: Bars) -> tuple[tuple[float, ...], ...]:
    return bars.time, bars.open, bars.high, bars.low, bars.close


def test_one_caller_cannot_fill_the_queue_for_the_others(resources):
    keys = {"greedy": "g" * 32, "modest": "m" * 32}
    named = tuple(f"{name}:{token}" for name, token in keys.items())
    shared = replace(resources.settings, charts_max_queue=6, api_keys=named)
    client = create_app(shared, replace(resources, settings=shared)).test_client()

    def ask(owner: str, number: int) -> Any:
        return post(client, HISTOGRAM | {"title": f"{number}"}, Authorization=f"Bearer {keys[owner]}")

    assert [ask("greedy", number).status_code for number in range(5)] == [202, 202, 202, 503, 503]
    refused: Any = ask("greedy", 5)
    assert is_problem(refused, 503, "unavailable")
    assert refused.json["detail"] == "greedy has its share of the queue: 3 of the 3 charts that wait, of 6 places"
    assert refused.headers["Retry-After"] == "5"
    assert [ask("modest", number).status_code for number in range(2)] == [202, 202]


def test_a_chart_that_costs_too_much_is_refused_with_the_field(client):
    bands = [{"kind": "bollinger"}] * 12
    bars = dict(zip(("time", "open", "high", "low", "close"), map(list, columns_of(BARS)), strict=True))
    response = post(client, {"type": "line", "data": bars, "width": 3000, "height": 3000, "overlays": bands})
    assert is_problem(response, 422, "validation-failed")
    (error,) = response.json["errors"]
    assert error["pointer"] == "/overlays/11"
    assert "megapixels instead of 9.0" in error["message"]
