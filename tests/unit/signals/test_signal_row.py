from __future__ import annotations

from app.signals.models import Signal, SignalRow


def test_a_row_of_signals_has_the_columns_of_their_table_in_their_order() -> None:
    assert SignalRow._fields == tuple(column.name for column in Signal.__table__.columns)
