"""A schema that loads directly takes and refuses what marshmallow's own way takes and refuses, in the same words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from app.signals.api.fields import DirectSchema
from app.signals.api.schemas import NewSignalSchema, PayloadSchema
from app.signals.models import Signal, SignalRow

NAMES = ["instrument", "side", "price", "time", "version", "external_id", "payload", "stop_loss", "note", "strange"]
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 2 * 10**12),
        st.decimals(-5, 5, allow_nan=False),
        st.sampled_from(["AAPL", "buy", "1.5", "", "2026-03-02T12:00:00Z", "1h", "x" * 200, "é"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=6,
)
FIT: dict[str, Any] = {"instrument": "AAPL", "side": "buy", "price": Decimal("1.5")}


def outcome(load: Any, document: Any) -> tuple[Any, Any]:
    """What was loaded, or what fits of it, and the complaints."""
    try:
        return load(document), None
    except ValidationError as error:
        return error.valid_data, error.messages


def known(schema: Schema, values: Any) -> Any:
    """What a schema that takes unknown keys along says of those it knows."""
    return (
        {name: value for name, value in values.items() if name in schema.fields} if isinstance(values, dict) else None
    )


@pytest.mark.parametrize("schema", [NewSignalSchema(), PayloadSchema()])
@given(document=st.one_of(VALUES, st.dictionaries(st.sampled_from(NAMES), VALUES).map(lambda told: FIT | told)))
def test_both_ways_of_loading_agree(schema: DirectSchema, document: Any) -> None:
    values, complaints = outcome(schema.load, document)
    expected, expected_complaints = outcome(super(DirectSchema, schema).load, document)
    assert complaints == expected_complaints
    if isinstance(document, dict) and "payload" not in (complaints or {}):
        assert without_payload(known(schema, values)) == without_payload(known(schema, expected))


def without_payload(values: dict[str, Any]) -> dict[str, Any]:
    """A payload is only looked at: what the schema makes of it is not kept."""
    return {name: value for name, value in values.items() if name != "payload"}


def test_a_row_of_signals_has_the_columns_of_their_table_in_their_order() -> None:
    assert SignalRow._fields == tuple(column.name for column in Signal.__table__.columns)
