#!/bin/bash
# Inside the sandbox, on the host's network: builds the stand-ins under the names that the project's files use, then
# the project's own image from its Dockerfile.
set -euo pipefail
compose=/src/docker-compose.yml
standins=/share/scripts/standins

image() { sed -nE "s|^ *image: ($1:[^ ]+).*|\1|p" "$compose" | head -n 1; }

python=python:$(sed -nE 's/^ARG PYTHON=//p' /src/Dockerfile)
base=$(echo /share/base-*.tar)
imported=standin-debian:$(basename "$base" .tar)
if ! docker image inspect "$imported" >/dev/null 2>&1; then
    docker import \
        --change 'ENV LANG=C.UTF-8' \
        --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'CMD ["python3"]' \
        "$base" "$imported"
fi
docker tag "$imported" standin-debian
docker tag "$imported" "$python"
for name in postgres valkey/valkey caddy; do
    docker build --quiet --network host --tag "$(image "$name")" "$standins/${name%%/*}"
done
if ! docker build --network host --progress plain --tag signalbox:latest /src >/tmp/build.log 2>&1; then
    tail -n 25 /tmp/build.log
    exit 1
fi
docker images
