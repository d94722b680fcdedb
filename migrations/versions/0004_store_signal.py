"""Functions that store a signal, or a whole batch, with the events in one trip to PostgreSQL

Revision: 0004
After: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Each statement of a function that may change data sees what was committed before that statement began: so what the
# lock waited for is seen by the one after it, as it must be. One statement of SQL would judge by what it saw first.
STORE_SIGNAL = """
CREATE FUNCTION store_signal(
    locks bigint[], patient boolean, span interval, event_id uuid, event_kind text, event_request_id text,
    new_id uuid, new_producer_id text, new_external_id text, new_instrument text, new_side text, new_price numeric,
    new_time timestamptz, new_version text, new_payload text, new_status text, new_signed boolean, new_dedup_key text,
    new_received_at timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF patient THEN
        PERFORM pg_advisory_xact_lock(wanted) FROM unnest(locks) AS wanted;
    ELSIF NOT (SELECT bool_and(pg_try_advisory_xact_lock(wanted)) FROM unnest(locks) AS wanted) THEN
        RETURN false;
    END IF;
    INSERT INTO signals (
        id, producer_id, external_id, instrument, side, price, time, version, payload, status, signed, dedup_key,
        received_at
    )
    SELECT
        new_id, new_producer_id, new_external_id, new_instrument, new_side, new_price, new_time, new_version,
        new_payload, new_status, new_signed, new_dedup_key, new_received_at
    WHERE NOT EXISTS (
        SELECT FROM signals
        WHERE dedup_key = new_dedup_key AND time > new_time - span AND time < new_time + span
    )
    ON CONFLICT (producer_id, external_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO events (id, kind, subject, data, request_id, happened_at, attempts)
    VALUES (event_id, event_kind, new_id::text, '{}', event_request_id, new_received_at, 0);
    RETURN true;
END
$$
"""

# All of a batch or, where one of it is stored already, nothing. LATERAL keeps the planner from going through all signals.
STORE_SIGNALS = """
CREATE FUNCTION store_signals(
    locks bigint[], span interval, event_kind text, event_request_id text, told json
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(wanted) FROM unnest(locks) AS wanted;
    IF EXISTS (
        SELECT 1 FROM json_to_recordset(told) AS new (dedup_key text, time timestamptz), LATERAL (
            SELECT 1 FROM signals
            WHERE dedup_key = new.dedup_key AND time > new.time - span AND time < new.time + span LIMIT 1
        ) AS same
    ) OR EXISTS (
        SELECT 1 FROM json_to_recordset(told) AS new (producer_id text, external_id text), LATERAL (
            SELECT 1 FROM signals
            WHERE producer_id = new.producer_id AND external_id = new.external_id LIMIT 1
        ) AS same
    ) THEN
        RETURN false;
    END IF;
    INSERT INTO signals (
        id, producer_id, external_id, instrument, side, price, time, version, payload, status, signed, dedup_key,
        received_at
    )
    SELECT * FROM json_to_recordset(told) AS new (
        id uuid, producer_id text, external_id text, instrument text, side text, price numeric, time timestamptz,
        version text, payload text, status text, signed boolean, dedup_key text, received_at timestamptz
    );
    INSERT INTO events (id, kind, subject, data, request_id, happened_at, attempts)
    SELECT event_id, event_kind, id::text, '{}', event_request_id, received_at, 0
    FROM json_to_recordset(told) AS new (event_id uuid, id uuid, received_at timestamptz);
    RETURN true;
END
$$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(STORE_SIGNAL)
        op.execute(STORE_SIGNALS)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION store_signals")
        op.execute("DROP FUNCTION store_signal")
