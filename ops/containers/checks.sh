#!/bin/bash
# Inside the sandbox, with the stack up: what the containers promise, one line each, and `N passed, N failed` at the end.
set -uo pipefail
passed=0 failed=0

# is WHAT PATTERN VALUE
is() {
    # The pattern is one of the shell's.
    # shellcheck disable=SC2053
    if [[ $3 == $2 ]]; then
        passed=$((passed + 1))
        echo "ok   $1: ${3:0:120}"
    else
        failed=$((failed + 1))
        echo "FAIL $1: expected $2, found $3"
    fi
}

json='Content-Type: application/json'
api=http://127.0.0.1:8000
proxy=https://localhost
key=(-H "Authorization: Bearer $API_KEY")
body=/tmp/body

# The status of a request; its body goes to $body.
status() { curl --silent --show-error --max-time 20 --output "$body" --write-out '%{http_code}' "$@"; }
inside() { compose exec -T "$@" 2>&1; }
state() { docker inspect --format "$2" "signalbox-$1-1"; }
first_id() { grep -oE '"id": ?"[^"]+' "$body" | head -n 1 | sed 's/.*"//'; }
# until_is PATTERN COMMAND...: repeats a command for up to a minute until its output fits; prints the last output.
until_is() {
    local pattern=$1 output
    shift
    for _ in $(seq 300); do
        output=$("$@" 2>/dev/null)
        # shellcheck disable=SC2053
        [[ $output == $pattern ]] && break
        sleep 0.2
    done
    printf '%s' "$output"
}

# --- the API
is 'healthz' 200 "$(status $api/healthz)"
is 'readyz' 200 "$(status $api/readyz)"
is 'no key' 401 "$(status $api/api/v1/signals)"
{
    printf 'time,open,high,low,close,volume\n'
    for day in $(seq 0 59); do
        printf '%s,1.07%02d,1.0850,1.0680,1.07%02d,18250\n' "$(date -u -d "2026-09-01 +$day days" +%F)" \
            $((day % 60 + 10)) $(((day * 7) % 60 + 10))
    done
} >/tmp/bars.csv
is 'bars' '20?' "$(status -X PUT $api/api/v1/bars/EURUSD/1d "${key[@]}" -H 'Content-Type: text/csv' --data-binary @/tmp/bars.csv)"
signal() {
    printf '{"instrument": "EURUSD", "side": "buy", "price": "1.0755", "time": "2026-10-%sT12:00:00Z", "external_id": "%s",
        "payload": {"stop_loss": 1.069, "take_profit": [1.079, 1.083], "timeframe": "1d"}}' "$1" "$2"
}
is 'signal' 201 "$(status $api/api/v1/signals "${key[@]}" -H "$json" -d "$(signal 28 order-1)")"
id=$(first_id)
is 'the same signal again' 409 "$(status $api/api/v1/signals "${key[@]}" -H "$json" -d "$(signal 28 order-1)")"
is "the signal's chart" 200 "$(until_is 200 status --location "$api/api/v1/signals/$id/chart.png" "${key[@]}")"
is 'which is a PNG' '89504e47' "$(od -An -tx1 -N4 $body | tr -d ' ')"
is 'a chart by its spec' '20?' "$(status $api/api/v1/charts "${key[@]}" -H "$json" -H 'Prefer: wait=5' -d '{"type": "candlestick",
    "title": "Euro", "theme": "dark", "width": 800, "height": 450, "panels": [{"kind": "volume"}],
    "data": {"instrument": "EURUSD", "timeframe": "1d", "bars": 50}}')"
is 'metrics' 200 "$(status $api/metrics "${key[@]}")"
is 'docs' 200 "$(status $api/docs)"

# --- the proxy
inside proxy cat /certificates/caddy/pki/authorities/local/root.crt >/tmp/authority.crt
trusted=(--cacert /tmp/authority.crt)
is 'http is sent to https' '30?' "$(status http://localhost/healthz)"
is 'https through the proxy' 200 "$(status "${trusted[@]}" $proxy/readyz)"
is 'signal through the proxy' 201 "$(status "${trusted[@]}" $proxy/api/v1/signals "${key[@]}" -H "$json" -d "$(signal 24 order-p)")"
is 'signal in chunks through the proxy' 201 "$(status "${trusted[@]}" $proxy/api/v1/signals "${key[@]}" -H "$json" -H 'Transfer-Encoding: chunked' -d "$(signal 20 order-c)")"
is 'error through the proxy' '*"type":*"/problems/not-found"*' "$(status "${trusted[@]}" $proxy/api/v1/nothing "${key[@]}" >/dev/null; cat $body)"
is "the proxy's own error" 413 "$(head -c 9000000 /dev/zero | status "${trusted[@]}" -X POST $proxy/api/v1/signals "${key[@]}" -H "$json" --data-binary @-)"
is 'and its body' '*"type":*"/problems/*' "$(cat $body)"
is "the client's address behind the proxy" '*"caller"*' "$(compose logs --no-color api | grep -m 1 '"path":"/api/v1/signals"')"
is 'the proxy reaches no store' unknown "$(inside proxy sh -c 'getent hosts postgres || echo unknown')"

# --- the containers
for service in api worker events beat; do
    is "$service: user" 10001:10001 "$(inside $service python -c 'import os; print(f"{os.getuid()}:{os.getgid()}")')"
    is "$service: root is read-only" '*Read-only*' "$(inside $service sh -c 'touch /srv/signalbox/x')"
    is "$service: /tmp is writable" yes "$(inside $service sh -c 'touch /tmp/x && echo yes')"
    is "$service: var is its own" '700 signalbox' "$(inside $service stat -c '%a %U' var)"
    is "$service: capabilities, new privileges, seccomp" '0000000000000000 1 2' \
        "$(inside $service sh -c "awk '/CapEff|NoNewPrivs|^Seccomp:/ {printf \"%s \", \$2}' /proc/1/status" | sed 's/ $//')"
    is "$service: process 1 is init" '*init*' "$(inside $service cat /proc/1/comm)"
done
is 'media: owner' '755 signalbox' "$(inside api stat -c '%a %U' /media)"
is 'media: images' '[1-9]*' "$(inside api sh -c 'find /media -type f | wc -l')"
for service in postgres redis cache; do
    is "$service: user" 999 "$(inside $service id -u)"
    is "$service: capabilities" 0000000000000000 "$(inside $service sh -c "awk '/CapEff/ {print \$2}' /proc/1/status")"
done
is 'proxy: root is read-only' '*Read-only*' "$(inside proxy sh -c 'touch /srv/x')"
is "beat's schedule is in var" '*beat-schedule*' "$(inside beat ls var)"
is "the worker's metrics" 200 "$(inside worker python -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:9808/metrics").status)')"
is 'postgres publishes no port' '' "$(docker port signalbox-postgres-1)"
is 'shared libraries: found, missing' '[1-9]* 0' "$(inside api sh -c \
    'find /opt/venv -name "*.so*" -exec ldd {} + 2>/dev/null | awk "/=>/ {f++} /not found/ {n++} END {print f+0, n+0}"')"

# --- an image without its folders
alone() { docker run --rm --read-only --network none --env APP_ENV=development signalbox:latest "$@" 2>&1; }
is 'the worker without /tmp: one line' 1 "$(alone celery --quiet -A worker.celery_app worker --queues charts | wc -l)"
is 'which says what to do' 'MPLCONFIGDIR:*mount a tmpfs at /tmp*' "$(alone celery --quiet -A worker.celery_app worker --queues charts)"
is 'the web server without settings: one line each' 'API_KEYS: *' "$(docker run --rm --read-only --network none signalbox:latest 2>&1)"

# --- what happens to them
kill -9 "$(state worker '{{.State.Pid}}')"
is 'a killed worker comes back' 'healthy 1' "$(until_is 'healthy 1' state worker '{{.State.Health.Status}} {{.RestartCount}}')"
is 'signal after that' 201 "$(status $api/api/v1/signals "${key[@]}" -H "$json" -d "$(signal 16 order-2)")"
docker kill --signal KILL signalbox-redis-1 >/dev/null 2>&1
is 'duplicate while Redis is away' 409 "$(status $api/api/v1/signals "${key[@]}" -H "$json" -d "$(signal 16 order-2)")"
compose start redis >/dev/null 2>&1
compose restart postgres >/dev/null 2>&1
is 'signal after PostgreSQL restarted' 200 "$(until_is 200 status "$api/api/v1/signals/$id" "${key[@]}")"
is 'the worker outlives both' 'healthy 1' "$(until_is 'healthy 1' state worker '{{.State.Health.Status}} {{.RestartCount}}')"
compose stop >/dev/null 2>&1
for service in api worker events beat proxy postgres redis cache; do
    is "$service: exit status" 0 "$(state $service '{{.State.ExitCode}}')"
done
compose up --detach --no-build >/dev/null 2>&1
is 'ready after stop and up' 200 "$(until_is 200 status $api/readyz)"
is 'the signal is still there' 200 "$(status "$api/api/v1/signals/$id" "${key[@]}")"
is 'its chart is still there' 200 "$(until_is 200 status --location "$api/api/v1/signals/$id/chart.png" "${key[@]}")"
echo '--- warnings and errors in the logs'
compose logs --no-color 2>&1 | grep -iE '"level":"(warning|error|critical)"|Traceback|WARNING|ERROR|FATAL' |
    cut -c1-260 | sort | uniq -c | sort -rn | head -n 20
echo "$passed passed, $failed failed"
