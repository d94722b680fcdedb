#!/bin/bash
# Inside the sandbox, without a way out: brings the stack up as docs/operations.md says, checks it, takes it down.
# Fails when one of the three fails.
set -uo pipefail
cd /src
export COMPOSE_PROJECT_NAME=signalbox

token() { openssl rand -base64 27 | tr '+/' '-_'; }
set_in_env() { sed -i -e "s|^$1=.*|$1=$2|" /tmp/env; grep -q "^$1=" /tmp/env || { echo "FAIL .env.example lacks $1"; exit 1; }; }

API_KEY=$(token)
export API_KEY
cp .env.example /tmp/env
set_in_env SECRET_KEY "$(token)"
set_in_env API_KEYS "operator:$API_KEY"
set_in_env POSTGRES_PASSWORD "$(token)"
# Caddy signs certificates for this name with an authority of its own: the sandbox reaches no other.
set_in_env DOMAIN localhost

compose() { docker compose --env-file /tmp/env "$@"; }
export -f compose

compose --profile monitoring config --quiet || exit 1
timeout 240 docker compose --env-file /tmp/env up --detach --wait --no-build --quiet-pull >/tmp/up.log 2>&1
up=$?
if [ "$up" != 0 ]; then
    echo "FAIL docker compose up --detach --wait: exit status $up"
    tail -n 3 /tmp/up.log
    compose ps --all
    compose logs --no-color --tail 8
fi
bash /share/scripts/checks.sh | tee /tmp/checks.log
compose down --volumes --timeout 50 >/dev/null 2>&1
down=$?
[ "$down" = 0 ] || echo "FAIL docker compose down: exit status $down"
[ "$up" = 0 ] && [ "$down" = 0 ] && grep -q '^[0-9]* passed, 0 failed$' /tmp/checks.log
