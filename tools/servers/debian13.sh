#!/usr/bin/env bash
# RabbitMQ 4 for tests on a Debian that has an older one: makes a Debian 13 root with debootstrap (about a minute, 950 MB, kept), starts its RabbitMQ on a free
# port of 127.0.0.1 with the deprecated features denied, as 4.3 has them, and prints its URL. Needs root and debootstrap. Ctrl-C stops it.
#
#   tools/servers/debian13.sh /var/cache/warren-debian13 &     then     WARREN_AMQP_URL=amqp://guest:guest@127.0.0.1:PORT npm test
set -euo pipefail

root=${1:?usage: debian13.sh FOLDER [PORT]}
port=${2:-5673}
[ "$(id -u)" -eq 0 ] || { echo "run it as root: it makes a root file system" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "install debootstrap first: apt-get install debootstrap" >&2; exit 1; }

if [ ! -x "$root/usr/lib/rabbitmq/bin/rabbitmq-server" ]; then
  mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | tr -d ' ' | awk 'NR == 1') || true
  debootstrap --variant=minbase trixie "$root" ${mirror:+"$mirror"}
  # Installing must not start a broker.
  printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
  DEBIAN_FRONTEND=noninteractive chroot "$root" sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends rabbitmq-server'
fi

mkdir -p "$root/warren"
cat > "$root/warren/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$port
log.file.level = warning
deprecated_features.permit.transient_nonexcl_queues = false
deprecated_features.permit.global_qos = false
CONF
echo '[].' > "$root/warren/enabled_plugins"
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
mountpoint -q "$root/dev" || mount --bind /dev "$root/dev"
trap 'chroot "$root" epmd -port $((port + 2)) -kill >/dev/null 2>&1 || true; umount "$root/proc" "$root/dev" 2>/dev/null || true' EXIT

echo "amqp://guest:guest@127.0.0.1:$port"
chroot "$root" env HOME=/warren RABBITMQ_NODENAME="warren4@localhost" RABBITMQ_DIST_PORT=$((port + 1)) RABBITMQ_MNESIA_BASE=/warren/mnesia RABBITMQ_LOG_BASE=/warren/log \
  RABBITMQ_CONFIG_FILE=/warren/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS_FILE=/warren/enabled_plugins RABBITMQ_PID_FILE=/warren/pid RABBITMQ_CONF_ENV_FILE=/dev/null \
  ERL_EPMD_PORT=$((port + 2)) ERL_EPMD_ADDRESS=127.0.0.1 /usr/lib/rabbitmq/bin/rabbitmq-server
