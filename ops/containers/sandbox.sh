#!/bin/bash
# sandbox.sh ENGINE PROJECT SHARE host|private COMMAND...: runs a command beside a real dockerd, in the root file system
# ENGINE. PROJECT is mounted at /src, SHARE at /share. `host` uses this machine's network, to fetch packages; `private`
# has a network namespace without a way out. All processes end with the command: they share a PID namespace.
set -euo pipefail
engine=$1 project=$2 share=$3 network=$4
shift 4

namespaces=(--mount --pid --fork --ipc --uts --kill-child)
[ "$network" = private ] && namespaces+=(--net)

# Runs as the first process of the new namespaces: gives them their mounts, then makes ENGINE the root.
enter='
engine=$1 project=$2 share=$3 network=$4
shift 4
mount --make-rprivate /
mount --bind "$engine" "$engine"
cd "$engine"
mkdir -p src share old
mount --bind "$project" src
mount --bind "$share" share
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
if [ "$network" = private ]; then
    ip link set lo up
    # A sysfs of the new network namespace; the control groups of the old one.
    umount -l sys
    mount -t sysfs sysfs sys
    mount --rbind /sys/fs/cgroup sys/fs/cgroup
fi
cp /etc/resolv.conf etc/resolv.conf
pivot_root . old
umount -l /old
cd /
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=xterm \
    NETWORK="$network" bash /share/scripts/engine.sh "$@"
'
exec unshare "${namespaces[@]}" -- bash -euo pipefail -c "$enter" enter "$engine" "$project" "$share" "$network" "$@"
