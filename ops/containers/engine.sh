#!/bin/bash
# Inside the sandbox: starts dockerd, runs a command, stops dockerd. The exit status is the command's.
set -u
rm -f /var/run/docker.pid
options=(--exec-root /run/docker)
# On the host's network dockerd only builds: it must not touch the machine's bridges and firewall.
[ "$NETWORK" = host ] && options+=(--bridge=none --iptables=false --ip6tables=false --ip-forward=false)
dockerd "${options[@]}" >/var/log/dockerd.log 2>&1 &
daemon=$!
for _ in $(seq 150); do
    docker info >/dev/null 2>&1 && break
    kill -0 "$daemon" 2>/dev/null || break
    sleep 0.2
done
docker info >/dev/null 2>&1 || { tail -n 20 /var/log/dockerd.log; exit 1; }
"$@"
status=$?
kill -TERM "$daemon"
wait "$daemon"
# Control groups are the machine's own and outlive the namespaces.
find /sys/fs/cgroup/*/docker -depth -type d -exec rmdir {} + 2>/dev/null
exit "$status"
