#!/bin/busybox sh
# The first process of the virtual machine that scripts/test-kernel.mjs boots: it makes the system that the tests need, runs them, and
# turns the machine off. Everything it prints goes to the serial console.
/bin/busybox --install -s /bin
ln -sf /usr/bin/sh /usr/bin/bash /bin
export PATH=/usr/bin:/bin HOME=/root
mount -t devtmpfs none /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -onlcr -echo
mkdir -p /proc /sys /run /tmp /root /var /etc
ln -s /run /var/run
echo '127.0.0.1 localhost' >/etc/hosts
mount -t proc none /proc
mount -t sysfs none /sys
ln -s /proc/self/fd /dev/fd
mount -t tmpfs none /run
mount -t tmpfs none /tmp
for module in $(cat /modules/order); do insmod "/modules/$module" || echo "insmod $module failed"; done
ip link set lo up
for file in /podwire/build/test/kernel/*.test.js; do
  echo "== $(basename "$file") in Linux $(uname -r)"
  node --test-reporter=tap "$file"
done
echo '== off'
poweroff -f
