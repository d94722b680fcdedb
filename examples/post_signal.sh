#!/bin/sh
# Posts one signal with curl, signed by Standard Webhooks with openssl.
#
#   SIGNALBOX=https://signals.example.com SIGNALS_HMAC_KEY=... ./post_signal.sh AAPL buy 187.20
#
# Exit codes: 0 stored now or before, 1 refused, 2 temporary failure: send again. The same message (MESSAGE_ID) may be
# sent any number of times: it is stored once.
set -eu

usage="usage: [SIGNALBOX=url] [PRODUCER=name] [SIGNALS_HMAC_KEY=key] $0 INSTRUMENT buy|sell PRICE [MESSAGE_ID]"
[ $# -ge 3 ] || { echo "$usage" >&2; exit 1; }

url=${SIGNALBOX:-http://127.0.0.1:8000}/api/v1/signals
producer=${PRODUCER:-desk-1}
now=$(date +%s)
id=${4:-msg_$(openssl rand -hex 16)}
body=$(printf '{"instrument":"%s","side":"%s","price":"%s"}' "$1" "$2" "$3")

set -- -H 'Content-Type: application/json' -H "X-Producer-Id: $producer"
if [ -n "${SIGNALS_HMAC_KEY:-}" ]; then
    # A key that begins with whsec_ is base64; openssl needs the bytes in hex.
    case $SIGNALS_HMAC_KEY in
    whsec_*) hex=$(printf '%s' "${SIGNALS_HMAC_KEY#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n') ;;
    *) hex=$(printf '%s' "$SIGNALS_HMAC_KEY" | od -An -v -tx1 | tr -d ' \n') ;;
    esac
    signature=$(printf '%s.%s.%s' "$id" "$now" "$body" |
        openssl dgst -sha256 -mac HMAC -macopt "hexkey:$hex" -binary | openssl base64 -A)
    set -- "$@" -H "webhook-id: $id" -H "webhook-timestamp: $now" -H "webhook-signature: v1,$signature"
fi

status=$(printf '%s' "$body" |
    curl -sS --max-time 10 -o /dev/stderr -w '%{http_code}' --data-binary @- "$@" "$url") || exit 2
case $status in
201) echo "stored as a new signal, message $id" ;;
409) echo "stored already, message $id" ;;
429 | 5*) echo "temporary failure (status $status): send message $id again" >&2; exit 2 ;;
*) echo "refused (status $status)" >&2; exit 1 ;;
esac
