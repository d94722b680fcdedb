"""Parsing and writing times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shared.clock import epoch_ms, from_epoch_ms, looks_like_seconds, parse_rfc3339, rfc3339

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MAX_MS = 253_402_300_799_999  # the end of the year 9999


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-02T12:00:00Z", NOON),
        ("2026-03-02t12:00:00z", NOON),
        ("2026-03-02 12:00:00Z", NOON),
        ("2026-03-02T07:00:00-05:00", NOON),
        ("2026-03-02T12:00:00.5Z", NOON + timedelta(milliseconds=500)),
        ("2026-03-02T12:00:00.1234567890123Z", NOON + timedelta(microseconds=123_456)),
    ],
)
def test_an_rfc_3339_text_is_parsed_to_the_microsecond(text: str, expected: datetime) -> None:
    assert parse_rfc3339(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-03-02", "2026-03-02T12:00:00", "2026-03-02T12:00Z", "20260302T120000Z", "1772452800123"),
        *("2026-02-30T12:00:00Z", "2026-03-02T12:00:60Z", "2026-03-02T12:00:00+25:00", "2026-03-02T12:00:00.Z"),
        *("2026-03-02T12:00:00Z\n", "\u0662026-03-02T12:00:00Z", "2026-W10-1T12:00:00Z"),
    ],
)
def test_a_text_that_is_not_rfc_3339_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_rfc3339(text)


@given(st.datetimes(timezones=st.integers(-1_439, 1_439).map(lambda minutes: timezone(timedelta(minutes=minutes)))))
def test_every_time_survives_being_written_and_parsed(moment: datetime) -> None:
    assert parse_rfc3339(moment.isoformat()) == moment


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_written_time_in_utc_can_be_parsed(moment: datetime) -> None:
    assert parse_rfc3339(rfc3339(moment)) == moment


@given(st.integers(-62_135_596_800_000, MAX_MS))
def test_milliseconds_survive_the_conversion_to_a_time_and_back(milliseconds: int) -> None:
    moment = from_epoch_ms(milliseconds)
    assert epoch_ms(moment) == milliseconds
    assert epoch_ms(moment + timedelta(microseconds=999)) == milliseconds


def test_a_recent_time_in_seconds_is_distinguished_from_milliseconds() -> None:
    assert looks_like_seconds(1_772_452_800)
    assert not looks_like_seconds(1_772_452_800_123)
    assert not looks_like_seconds(0)
