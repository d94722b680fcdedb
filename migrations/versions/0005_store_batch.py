"""A function that stores a whole batch, with a plan that cannot go wrong on a young table

Revision: 0005
After: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What `store_signals` looked up by external_id went through all signals of a producer, where it was planned before the
# database knew anything of the table. The unique index says the same without a plan, and the batch is read once.
# The function of before stays for processes that have not been restarted yet.
STORE_BATCH = """
CREATE FUNCTION store_batch(
    locks bigint[], span interval, event_kind text, event_request_id text, told json
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(wanted) FROM unnest(locks) AS wanted;
    WITH new AS MATERIALIZED (
        SELECT * FROM json_to_recordset(told) AS new (
            id uuid, producer_id text, external_id text, instrument text, side text, price numeric, time timestamptz,
            version text, payload text, status text, signed boolean, dedup_key text, received_at timestamptz,
            event_id uuid
        )
    ), same AS MATERIALIZED (
        SELECT FROM new, LATERAL (
            SELECT FROM signals
            WHERE dedup_key = new.dedup_key AND time > new.time - span AND time < new.time + span LIMIT 1
        ) AS stored LIMIT 1
    ), kept AS (
        INSERT INTO signals (
            id, producer_id, external_id, instrument, side, price, time, version, payload, status, signed, dedup_key,
            received_at
        )
        SELECT
            id, producer_id, external_id, instrument, side, price, time, version, payload, status, signed, dedup_key,
            received_at
        FROM new WHERE NOT EXISTS (SELECT FROM same)
    )
    INSERT INTO events (id, kind, subject, data, request_id, happened_at, attempts)
    SELECT event_id, event_kind, id::text, '{}', event_request_id, received_at, 0
    FROM new WHERE NOT EXISTS (SELECT FROM same);
    RETURN FOUND;
EXCEPTION WHEN unique_violation THEN
    RETURN false;
END
$$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(STORE_BATCH)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION store_batch")
