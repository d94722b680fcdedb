"""Example requests and responses of the API document. A test validates each against its schema."""

from __future__ import annotations

from typing import Any, Final

_REQUEST_ID: Final = "0190b1a3f6c27d3e8a51f0c2d4e6b899"
_ID: Final = "0190b1a3-f6c2-7d3e-8a51-f0c2d4e6b899"

NEW_SIGNAL: Final[dict[str, Any]] = {
    "instrument": "AAPL",
    "side": "buy",
    "price": "187.20",
    "time": "2026-11-24T14:30:00Z",
    "external_id": "desk-1-000042",
    "payload": {"stop_loss": "182.50", "take_profit": ["192.00", "197.50"], "timeframe": "1h", "strategy": "momentum"},
}
SIGNAL: Final[dict[str, Any]] = {
    "id": _ID,
    "producer_id": "desk-1",
    "external_id": "desk-1-000042",
    "instrument": "AAPL",
    "side": "buy",
    "price": "187.20",
    "time": "2026-11-24T14:30:00Z",
    "version": "1",
    "payload": NEW_SIGNAL["payload"],
    "status": "new",
    "signed": True,
    "received_at": "2026-11-24T14:30:00.412807Z",
}
DUPLICATE: Final[dict[str, Any]] = {
    "type": "/problems/duplicate-signal",
    "title": "The signal is already known",
    "status": 409,
    "detail": f"signal {_ID} is the same by its external_id",
    "existing_signal_id": _ID,
    "matched_on": "external_id",
    "differs": ["price"],
    "request_id": _REQUEST_ID,
}
PAGE: Final[dict[str, Any]] = {"signals": [SIGNAL], "next_cursor": "9yK3Zc0a1nFbIjAxOTBiMWEzIl0"}

_INVALID_PROBLEM: Final[dict[str, Any]] = {
    "type": "/problems/validation-failed",
    "title": "The request does not fit",
    "status": 422,
    "detail": "/signals/2/side: Must be one of: buy, sell.",
    "errors": [{"pointer": "/signals/2/side", "message": "Must be one of: buy, sell."}],
    "request_id": _REQUEST_ID,
}
_REPETITION_PROBLEM: Final[dict[str, Any]] = {
    "type": "/problems/duplicate-signal",
    "title": "The signal is already known",
    "status": 409,
    "detail": "item 0 of this batch is the same",
    "existing_signal_id": _ID,
    "duplicate_of_index": 0,
    "matched_on": "external_id",
    "differs": [],
    "request_id": _REQUEST_ID,
}
BATCH: Final[dict[str, Any]] = {
    "signals": [NEW_SIGNAL, {**NEW_SIGNAL, "external_id": "desk-1-000043", "instrument": "MSFT", "price": "412.05"}],
    "atomic": False,
}
_CREATED: Final[dict[str, Any]] = {"index": 0, "status": 201, "signal": SIGNAL}
_INVALID: Final[dict[str, Any]] = {"index": 1, "status": 422, "problem": _INVALID_PROBLEM}


def _batch(results: list[dict[str, Any]], **counts: int) -> dict[str, Any]:
    none = {"created": 0, "duplicates": 0, "invalid": 0, "not_stored": 0}
    return {"results": results, "summary": {"total": len(results), **none, **counts}}


ALL_CREATED: Final = _batch([_CREATED], created=1)
SOME_CREATED: Final = _batch(
    [_CREATED, {"index": 1, "status": 409, "problem": _REPETITION_PROBLEM}, {**_INVALID, "index": 2}],
    created=1,
    duplicates=1,
    invalid=1,
)
ALL_DUPLICATES: Final = _batch([{"index": 0, "status": 409, "problem": DUPLICATE}], duplicates=1)
NONE_CREATED: Final = _batch([{"index": 0, "status": 409, "problem": DUPLICATE}, _INVALID], duplicates=1, invalid=1)

CSV: Final = (
    "id,producer_id,external_id,instrument,side,price,time,version,status,signed,received_at,payload\r\n"
    f"{_ID},desk-1,desk-1-000042,AAPL,buy,187.20,2026-11-24T14:30:00Z,1,new,true,2026-11-24T14:30:00.412807Z,{{}}\r\n"
)
NDJSON: Final = f'{{"id":"{_ID}","producer_id":"desk-1","instrument":"AAPL","side":"buy","price":"187.20"}}\n'
