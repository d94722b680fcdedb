"""The contact sheet: its cases, and what the command writes."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import product
from typing import get_args

import pytest
from PIL import Image

from app.charts.domain import PRICE_TYPES, OrderMark
from app.charts.rendering import engine
from tools import contact_sheet
from tools.contact_cases import CASES, DATA, SIZES
from tools.contact_live_cases import LIVE_CASES
from tools.contact_sheet import ALL_CASES
from tools.live_samples import TIMEFRAMES, BarsEnd, Market


def test_no_two_cases_have_one_name():
    assert [name for name, times in Counter(case.name for case in ALL_CASES).items() if times > 1] == []


def test_there_are_many_cases_of_every_type_theme_and_size():
    specs = [case.spec() for case in CASES]
    assert len(specs) >= 60
    assert {spec.type for spec in specs} == {*PRICE_TYPES, "equity", "histogram"}
    assert {spec.theme for spec in specs} == {"light", "dark", "colorblind"}
    assert {(spec.width, spec.height) for spec in specs} == {*SIZES}


def test_all_data_is_drawn():
    assert {case.data for case in CASES} == {*DATA}


def test_there_are_live_signals_of_every_market_timeframe_end_size_and_theme():
    specs = [case.spec() for case in LIVE_CASES]
    names = {tuple(case.signal.name.split("-")[:3]) for case in LIVE_CASES}
    assert names == {*product(get_args(Market), TIMEFRAMES, get_args(BarsEnd))}
    assert {(spec.width, spec.height) for spec in specs} == {*SIZES}
    assert {spec.theme for spec in specs} == {"light", "dark", "colorblind"}
    assert all(any(isinstance(mark, OrderMark) for mark in spec.annotations) for spec in specs)


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: case.name)
def test_a_case_is_drawn_without_an_error(case, tmp_path):
    ((_, image),) = contact_sheet.draw([case], tmp_path)
    spec = case.spec()
    with Image.open(tmp_path / f"{case.name}.png") as picture:
        assert picture.size == (spec.width * spec.scale, spec.height * spec.scale)
    assert image.alt in (tmp_path / "notes.txt").read_text(encoding="utf-8")


def test_the_command_writes_pictures_pages_and_notes(tmp_path, monkeypatch):
    folders = []

    def used(font_folders):
        folders.append(font_folders)
        return []

    monkeypatch.setattr(engine, "use_fonts", used)
    monkeypatch.setenv("CHARTS_FONT_DIRS", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["contact_sheet", str(tmp_path / "sheet"), "--only", "-320"])
    contact_sheet.main()
    drawn = [case for case in ALL_CASES if "-320" in case.name]
    written = {path.name for path in (tmp_path / "sheet").iterdir()}
    assert written == {f"{case.name}.png" for case in drawn} | {"sheet-1.png", "sheet-2.png", "notes.txt"}
    notes = (tmp_path / "sheet" / "notes.txt").read_text(encoding="utf-8")
    assert "warning: the picture is too low for 4 of 5 panels" in notes
    assert folders == [(tmp_path,)]
