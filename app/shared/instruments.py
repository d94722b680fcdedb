"""Instruments and timeframes: how their names are written. Pure; signals, bars and charts share these rules."""

from __future__ import annotations

import re
from typing import Final

INSTRUMENT_PATTERN: Final = r"[A-Za-z0-9._/:-]{1,32}"
INSTRUMENT_RULE: Final = "1-32 of A-Z 0-9 . _ / : -"

TIMEFRAME_SECONDS: Final = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "4h": 14_400,
    "1d": 86_400,
    "1w": 604_800,
}

_is_instrument: Final = re.compile(INSTRUMENT_PATTERN).fullmatch


def normalize_instrument(text: str) -> str:
    """The instrument in upper case. Raises ValueError, with INSTRUMENT_RULE, for a text that is no instrument."""
    # Checked before upper(), which makes SS of a sharp s and I of a dotless i: valid letters of invalid ones.
    if not _is_instrument(text):
        raise ValueError(INSTRUMENT_RULE)
    return text.upper()
