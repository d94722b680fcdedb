"""Orders as positions: texts and places of their tags, zones, and levels that are far away or contradict the side."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from app.charts.domain import HLine, OrderMark, SignalMark
from app.charts.rendering import engine
from app.charts.rendering.charts.price_plan import plan_price
from app.charts.rendering.layers.positions import signed_percent
from app.charts.rendering.plotting.number_format import MINUS
from app.charts.rendering.plotting.theme import LIGHT
from tests.unit.charts.rendering.chart_builders import DAY_MS, START_MS, a_spec, pixels, where
from tools.live_samples import live_case

NOW = START_MS + 59 * DAY_MS + 1000
LAST = 118.4
BUY = OrderMark("buy", 115.0, NOW, stop=113.0, targets=(119.0, 121.0))
SELL = OrderMark("sell", 119.0, NOW, stop=121.0, targets=(115.0,))
SVG = "{http://www.w3.org/2000/svg}"


def texts(**changes):
    image = engine.render(a_spec(format="svg", width=1200, height=675, **changes))
    return [element.text for element in ET.fromstring(image.data).iter(f"{SVG}text")]  # noqa: S314 - the engine's own


def tags(**changes):
    """The texts of the tags from top to bottom."""
    return [placed.text for placed in plan_price(a_spec(width=1200, height=675, **changes)).tags.placed]


def test_tags_tell_role_price_distance_and_reward_of_a_buy():
    assert tags(annotations=(BUY,)) == [
        "TP2 121.00 +5.22% 3.0R",
        "TP1 119.00 +3.48% 2.0R",
        "118.40",
        "Entry 115.00",
        f"SL 113.00 {MINUS}1.74%",
    ]
    assert {"Entry 115.00", "TP2 121.00 +5.22% 3.0R"} <= set(texts(annotations=(BUY,)))


def test_distances_of_a_sell_are_those_of_the_price():
    assert tags(annotations=(SELL,)) == [
        "SL 121.00 +1.68%",
        "Entry 119.00",
        "118.40",
        f"TP1 115.00 {MINUS}3.36% 2.0R",
    ]


def test_equal_prices_share_a_tag_and_the_last_close_has_none_beside_it():
    order = replace(BUY, entry=LAST, stop=None, targets=(121.0, 121.0))
    assert tags(annotations=(order,)) == ["TP1/TP2 121.00 +2.20%", "Entry 118.40"]


def test_a_line_at_a_price_of_an_order_adds_no_second_tag():
    assert tags(annotations=(replace(BUY, targets=()), HLine(113.0))) == [
        "118.40",
        "Entry 115.00",
        f"SL 113.00 {MINUS}1.74%",
    ]


def test_prices_of_an_order_that_would_look_the_same_get_more_decimals():
    order = OrderMark("buy", 115.001, NOW, stop=114.9996)
    assert [text.split()[1] for text in tags(annotations=(order,)) if text != "118.40"] == ["115.001", "115.000"]


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0035, "+0.35%"),
        (-0.00045, f"{MINUS}0.045%"),
        (0.0000123, "+0.0012%"),
        (0.000001, "+0.00010%"),
        (0.0, "0.00%"),
    ],
)
def test_small_distances_keep_two_digits(fraction, text):
    assert signed_percent(fraction) == text


@pytest.mark.parametrize("width", [1200, 640, 480, 320])
def test_tags_become_shorter_in_narrow_pictures_and_never_fall_out_of_them(width):
    spec = live_case("crypto", "1h", "now", "sell", "near").spec(width=width, height=400)
    plan = plan_price(spec)
    roles = [placed for placed in plan.tags.placed if placed.tag.kind == "role"]
    assert {placed.text.split()[0] for placed in roles} == {"Entry", "SL", "TP1", "TP2"}
    assert any("R" in placed.text for placed in roles) is (width >= 1200)
    assert all(placed.box.right <= width and placed.box.left > plan.right for placed in plan.tags.placed)
    boxes = [placed.box for placed in plan.tags.placed]
    assert all(upper.bottom <= lower.top for upper, lower in pairwise(boxes))
    assert plan.tags.left_out == ()


def test_levels_far_away_stand_at_the_edge_with_an_arrow_in_the_order_of_their_prices():
    order = OrderMark("buy", LAST, NOW, stop=60.0, targets=(400.0, 300.0, 200.0))
    texts = tags(annotations=(order,))
    assert [text.split()[:2] for text in texts[:3]] == [["↑", "TP1"], ["↑", "TP2"], ["↑", "TP3"]]
    assert texts[-1].startswith("↓ SL 60.00")
    image = engine.render(a_spec(annotations=(order,)))
    assert image.warnings == ()
    assert "stop 60.00" in image.alt


@pytest.mark.parametrize("height", [180, 300, 675])
@pytest.mark.parametrize("reach", ["near", "far"])
def test_the_bars_keep_more_than_half_of_the_height(height, reach):
    for market in ("stocks", "fx", "crypto"):
        spec = live_case(market, "1d", "now", "buy", reach).spec(width=640, height=height)
        plan = plan_price(spec)
        main, data = plan.plots[0], plan.data
        span = main.y.at(float(data.lows.min())) - main.y.at(float(data.highs.max()))
        assert span >= 0.54 * main.box.height


def test_a_zone_fades_out_towards_a_level_off_the_scale_and_ends_sharply_at_one_on_it():
    far = OrderMark("buy", 119.0, NOW, targets=(400.0,))
    spec = a_spec(annotations=(far,), right_offset=20)
    plan, picture = plan_price(spec), pixels(spec)
    box, x = plan.plots[0].box, plan.right - 30
    entry = round(plan.plots[0].y.at(119.0))
    strength = 255 - picture[box.top : entry - 1, x, 0].astype(int)
    strength = strength[picture[box.top : entry - 1, x, 0] > 200]
    assert strength[0] < 6
    assert strength[-1] > 25
    assert (np.diff(strength[:40]) >= -1).all()


def test_the_position_reaches_from_its_bar_to_the_right_edge():
    spec = a_spec(annotations=(BUY, SignalMark("buy", NOW, 115.0)), format="svg")
    plan = plan_price(spec)
    slot = (plan.right - plan.plots[0].box.left) / plan.timeline.slots
    data = engine.render(spec).data.decode()
    boxes = re.findall(r'd="M(\d+) \d+h(\d+)v\d+h-\d+z" fill="#[0-9a-f]+" fill-opacity="0.13"', data)
    assert len(boxes) == 2
    for left, across in boxes:
        assert int(left) + int(across) == plan.right
        assert int(across) >= 10 * slot - 1
        assert abs(int(left) - (plan.plots[0].box.left + 59 * slot)) <= 1


def test_an_order_that_ended_is_still_ten_slots_wide():
    order = replace(BUY, start=START_MS + 20 * DAY_MS, end=START_MS + 22 * DAY_MS)
    (place,) = plan_price(a_spec(annotations=(order,))).annotations.positions
    assert (place.first, place.last) == (20, 30)


def test_a_stop_on_the_wrong_side_is_drawn_as_a_line_with_a_warning():
    order = replace(BUY, stop=117.0)
    image = engine.render(a_spec(annotations=(order,), width=1200))
    assert image.warnings == (
        "annotation 0 (order): the stop must be below the entry of a buy, so it is drawn as a line without a zone",
    )
    assert image.warnings[0] in image.alt
    assert "TP1 119.00 +3.48%" in tags(annotations=(order,))
    assert where(pixels(a_spec(annotations=(order,))), LIGHT.down[:3]).any()


def test_tags_without_room_are_named_in_warnings_and_in_the_alt_text():
    many = replace(BUY, targets=tuple(116.0 + step for step in range(20)))
    image = engine.render(a_spec(annotations=(many,), height=150))
    (warning,) = image.warnings
    assert warning.startswith("the price axis has no room for")
    assert "TP20" in warning or "more" in warning
    assert warning in image.alt


def test_a_picture_too_narrow_for_an_axis_names_the_levels_it_cannot_show():
    image = engine.render(a_spec(annotations=(BUY,), width=100))
    assert any("Entry 115.00, SL 113.00, TP1 119.00, TP2 121.00" in warning for warning in image.warnings)
