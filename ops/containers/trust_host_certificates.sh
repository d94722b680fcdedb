#!/bin/sh
# Hook of mmdebstrap: makes the certificates that this machine's operator trusts known in the new root as well, so that
# packages can be fetched through a proxy that ends TLS. Argument: the new root.
set -eu
root=$1
for certificate in /usr/local/share/ca-certificates/*.crt; do
    [ -e "$certificate" ] || continue
    cp "$certificate" "$root/usr/local/share/ca-certificates/"
done
chroot "$root" update-ca-certificates >/dev/null 2>&1
printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$root/etc/pip.conf"
