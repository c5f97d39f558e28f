#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Process 1 of a guest: it sets the system up as a host's would be, runs the job, and hands back its
# results.
# guest.sh EXCHANGE: the disk that holds a tar with the job, and at the end a tar with the results.
exchange=$1
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root LANG=C.UTF-8 TERM=${TERM:-linux}
export PATH HOME LANG TERM

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
chmod 1777 /tmp /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
ln -sf /proc/self/fd /dev/fd
mkdir -p /run/lock /run/netns
echo guest >/proc/sys/kernel/hostname
ip link set lo up
echo 1 >/proc/sys/net/core/bpf_jit_enable
# What systemd gives to a service.
# shellcheck disable=SC3045 # dash and bash have both
ulimit -Hn 524288
# shellcheck disable=SC3045
ulimit -Sn 1024

mkdir -p /tmp/job /out
tar -C /tmp/job -xf "$exchange"
cd /src || exit
read -r up _ </proc/uptime
echo "vm: begin after $up s on $(uname -r)"
if [ -e /tmp/job/shell ]; then
	busybox stty rows "$(cat /tmp/job/rows)" cols "$(cat /tmp/job/columns)"
	busybox setsid busybox cttyhack bash -i
	echo $? >/out/status
else
	# The output goes through a pipe, since programs must not see a terminal.
	{ sh /tmp/job/command; echo $? >/out/status; } </dev/null 2>&1 | cat
fi
status=$(cat /out/status)
dmesg >/out/dmesg
tar -C /out -cf "$exchange" .
sync "$exchange"
read -r end _ </proc/uptime
# The line must stand by itself, wherever the job was when it was ended.
printf '\nvm: end status %s up %s s\n' "$status" "$end"
# The other disks are not synced, since their writes are thrown away.
busybox poweroff -f -n
