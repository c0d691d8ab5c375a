#!/bin/sh
# The first process of a guest. Its root is the machine's own, read only; what is written goes to memory. GUEST, PYTHON
# and ITS_HOME (what the lab wrote for it) come from the kernel's command line. What is said here is in the guest's log.
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run
mount -t proc proc /proc
trap 'echo o >/proc/sysrq-trigger; sleep 9' EXIT # whatever fails ends the guest, its last words in the log
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/home /mnt/lib /mnt/tmp /mnt/work
mount --bind "$ITS_HOME" /mnt/home # before anything that may hide it
ln -s /usr/lib/uml/modules /mnt/lib/modules
printf '#!/bin/sh\nexec modprobe -d /mnt "$@"\n' >/mnt/modprobe && chmod +x /mnt/modprobe
echo /mnt/modprobe >/proc/sys/kernel/modprobe # what the kernel asks for by itself
modprobe -d /mnt overlay
mount -t overlay overlay -o lowerdir=/tmp,upperdir=/mnt/tmp,workdir=/mnt/work /tmp # files without a name are made there
mount -t tmpfs tmpfs "$ITS_HOME"
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/tmp
hostname "$GUEST"
ulimit -n 1024 # FRR closes as many files as it might have
ip link set lo up
sh -e /mnt/home/network
exec "$PYTHON" -I -S /mnt/home/channel.py
