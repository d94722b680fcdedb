#!/bin/bash
# Makes the cluster, the user and the database that POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB name where PGDATA
# is empty, then becomes the server. Runs as the user postgres.
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?is needed to make a new cluster}"
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    install --directory --mode 0700 "$PGDATA"
    initdb --username "$user" --pwfile <(printf '%s\n' "$POSTGRES_PASSWORD") --auth-local trust --auth-host scram-sha-256 >/dev/null
    printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
    # While it is made, the cluster answers on its socket alone, so that nobody takes it for ready.
    pg_ctl --wait --options "-c listen_addresses=''" start >/dev/null
    [ "$database" = postgres ] || createdb --username "$user" "$database"
    pg_ctl --wait --mode fast stop >/dev/null
    printf "listen_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
fi
exec "$@"
