#!/bin/bash
# Becomes the server, with the flags of VALKEY_EXTRA_FLAGS.
set -euo pipefail
# shellcheck disable=SC2086 # several flags, separated by spaces
[ "$1" = valkey-server ] && exec "$@" ${VALKEY_EXTRA_FLAGS:-}
exec "$@"
