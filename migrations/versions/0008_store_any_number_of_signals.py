"""One function that stores any number of signals, each with its event, and names those that it did not store

Revision: 0008
After: 0007

store_signal, store_signals and store_batch stay for processes that were started before this migration. All of them take
the same advisory locks, so old and new processes exclude each other. A later release drops the three.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# The two rules of deduplication, for those who store and those who only look. BETWEEN and both ORDER BYs keep the planner
# to the index of the rule: planned on an empty table, an equality may go through all signals of a producer instead.
FIND_EXISTING_SIGNAL = """
CREATE FUNCTION find_existing_signal(
    new_producer_id text, new_external_id text, new_dedup_key text, new_time timestamptz, span interval
) RETURNS TABLE (matched_on text, existing signals) LANGUAGE sql STABLE AS $$
    (
        SELECT 'external_id', signals FROM signals
        WHERE producer_id = new_producer_id AND external_id BETWEEN new_external_id AND new_external_id
        ORDER BY external_id LIMIT 1
    ) UNION ALL (
        SELECT 'window', signals FROM signals
        WHERE dedup_key = new_dedup_key AND time > new_time - span AND time < new_time + span
        ORDER BY time LIMIT 1
    ) ORDER BY 1 LIMIT 1
$$
"""

# `rounds` is a list of lists of signals. No two signals of one inner list share a lock, so one statement judges and
# stores such a list; the next list sees what it stored. `number` is the place of a signal's locks in the two arrays.
# Each statement of a volatile function sees what was committed before the statement began. So the locks are taken by a
# statement of their own, and the next one sees what their former holders have committed.
# A row is returned for each signal that is not stored: `duplicate` or `busy`. All others are stored.
# With `atomic`, the function calls itself in a subtransaction, which is rolled back where it returns a row.
STORE_SIGNALS_EACH = """
CREATE FUNCTION store_signals_each(
    rounds json, window_locks bigint[], external_locks bigint[], span interval, event_kind text,
    wait_for_lock boolean, atomic boolean
) RETURNS TABLE (item_number integer, outcome text, matched_on text, existing signals) LANGUAGE plpgsql AS $$
DECLARE
    round json;
    answer record;
    busy integer[] := '{}';
    refused boolean := false;
BEGIN
    IF atomic THEN
        BEGIN
            FOR answer IN SELECT * FROM store_signals_each(
                rounds, window_locks, external_locks, span, event_kind, wait_for_lock, false
            ) LOOP
                item_number := answer.item_number;
                outcome := answer.outcome;
                matched_on := answer.matched_on;
                existing := answer.existing;
                refused := true;
                RETURN NEXT;
            END LOOP;
            IF refused THEN
                RAISE SQLSTATE 'SB001';
            END IF;
        EXCEPTION WHEN SQLSTATE 'SB001' THEN
            NULL;
        END;
        RETURN;
    END IF;

    IF wait_for_lock THEN
        PERFORM pg_advisory_xact_lock(lock) FROM (
            SELECT DISTINCT lock FROM unnest(window_locks || external_locks) AS lock
            WHERE lock IS NOT NULL ORDER BY lock
        ) AS sorted;
    ELSE
        busy := ARRAY(
            SELECT number - 1 FROM unnest(window_locks, external_locks) WITH ORDINALITY AS lock (one, other, number)
            WHERE NOT pg_try_advisory_xact_lock(one) OR NOT pg_try_advisory_xact_lock(coalesce(other, one))
        );
    END IF;

    FOR round IN SELECT json_array_elements(rounds) LOOP
        RETURN QUERY
        WITH new AS MATERIALIZED (
            SELECT item.*, same.matched_on AS rule, same.existing AS signal
            FROM json_to_recordset(round) AS item (
                number integer, id uuid, producer_id text, external_id text, instrument text, side text, price numeric,
                time timestamptz, version text, payload text, status text, signed boolean, dedup_key text,
                received_at timestamptz, event_id uuid, request_id text
            ) LEFT JOIN LATERAL find_existing_signal(
                item.producer_id, item.external_id, item.dedup_key, item.time, span
            ) AS same ON true
            WHERE item.number <> ALL (busy)
        ), stored AS (
            INSERT INTO signals (
                id, producer_id, external_id, instrument, side, price, time, version, payload, status, signed,
                dedup_key, received_at
            )
            SELECT
                new.id, new.producer_id, new.external_id, new.instrument, new.side, new.price, new.time, new.version,
                new.payload, new.status, new.signed, new.dedup_key, new.received_at
            FROM new WHERE rule IS NULL
        ), appended AS (
            INSERT INTO events (id, kind, subject, data, request_id, happened_at, attempts)
            SELECT new.event_id, event_kind, new.id::text, '{}', new.request_id, new.received_at, 0
            FROM new WHERE rule IS NULL
        )
        SELECT number, 'duplicate', rule, signal FROM new WHERE rule IS NOT NULL;
    END LOOP;
    RETURN QUERY SELECT number, 'busy', NULL::text, NULL::signals FROM unnest(busy) AS number;
END
$$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(FIND_EXISTING_SIGNAL)
        op.execute(STORE_SIGNALS_EACH)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION store_signals_each")
        op.execute("DROP FUNCTION find_existing_signal")
