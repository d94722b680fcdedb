"""The fixed limits of a chart spec, which the API documents and the engine relies on. Pure.

Limits that an operator may set are `request.ChartLimits`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from app.shared.clock import epoch_ms

MIN_SIDE: Final = 64
MAX_SCALE: Final = 3
MAX_RIGHT_OFFSET: Final = 500
MAX_PRECISION: Final = 10
MAX_BINS: Final = 500
MAX_PERIOD: Final = 5_000
MAX_PROFILE_ROWS: Final = 500
MAX_TARGETS: Final = 20
LINE_WIDTHS: Final = (0.5, 10.0)

MAX_TEXT_LENGTH: Final = 200
MAX_TIMEFRAME_LENGTH: Final = 16
MAX_TIMEZONE_LENGTH: Final = 64

MAX_VALUE: Final = 1e100
"""With values up to here, the squares and ratios that indicators need stay finite."""
MIN_TIME_MS: Final = epoch_ms(datetime(1900, 1, 1, tzinfo=UTC))
MAX_TIME_MS: Final = epoch_ms(datetime(2200, 1, 1, tzinfo=UTC))
"""Times lie at or after the first and before the second."""
