#!/bin/bash
# A systemd of its own, as PID 1 of namespaces that end with this script: the machine's root below
# an overlay whose changes are kept in memory, a cgroup, /run, /dev and /tmp apart. Run it inside of
# the network namespace that the machine is to have.
#
#   systemdMachine.sh probe                     ends with 0 where this works, else says why not
#   systemdMachine.sh boot FOLDER NAME NODE     boots; FOLDER is an empty folder to build the root on,
#                                               NAME that of its cgroup
#   systemdMachine.sh clean NAME                removes the cgroup once everything has ended
#
# $PWD is the checkout: it lies at /opt/beam in there, with /usr/local/bin/beam and the units of
# systemd/ installed.
set -eu

# Whatever would reach the kernel beyond the namespaces, or waits for hardware.
MASKED='systemd-sysctl.service systemd-modules-load.service systemd-udevd.service
  systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket
  systemd-binfmt.service systemd-random-seed.service systemd-remount-fs.service
  systemd-hwdb-update.service systemd-timesyncd.service systemd-networkd.service
  sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount
  dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount kmod-static-nodes.service
  modprobe@.service'

if [ "$1" = probe ]; then
  [ -x /lib/systemd/systemd ] || { echo 'systemd is not installed'; exit 1; }
  grep -q 'overlay$' /proc/filesystems || { echo 'the kernel has no overlayfs'; exit 1; }
  unshare --mount --pid --fork --cgroup --propagation private bash -c '
    mount -t tmpfs tmpfs /mnt && mkdir /mnt/up /mnt/work /mnt/root /mnt/cgroup &&
    mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work /mnt/root &&
    mount -t cgroup2 cgroup2 /mnt/cgroup && mkdir "/mnt/cgroup/beam-t-probe.$$" &&
    rmdir "/mnt/cgroup/beam-t-probe.$$"' > /dev/null 2>&1 ||
    { echo 'no systemd can be booted in namespaces here'; exit 1; }
  exit 0
fi

if [ "$1" = clean ]; then
  exec unshare --mount --propagation private bash -c '
    mount -t cgroup2 cgroup2 /mnt && [ -d "/mnt/$1" ] || exit 0
    [ ! -e "/mnt/$1/cgroup.kill" ] || echo 1 > "/mnt/$1/cgroup.kill"
    for _ in {1..50}; do
      find "/mnt/$1" -depth -type d -exec rmdir {} \; 2> /dev/null
      [ -d "/mnt/$1" ] || exit 0
      sleep 0.1
    done
    exit 1' bash "$2"
fi

if [ "$1" = boot ]; then
  # Joins a cgroup first: the root of the new cgroup namespace is where its maker is.
  exec unshare --mount --propagation private bash "$0" join "$2" "$3" "$4"
fi

folder=$2 name=$3 node=$4
if [ "$1" = join ]; then
  mount -t tmpfs -o mode=0755 tmpfs "$folder"
  mkdir "$folder/cgroup"
  mount -t cgroup2 cgroup2 "$folder/cgroup"
  mkdir -p "$folder/cgroup/$name"
  echo $$ > "$folder/cgroup/$name/cgroup.procs"
  # Killing the outer one kills PID 1, and that everything.
  exec unshare --pid --fork --kill-child --mount --cgroup --uts --ipc --propagation private \
    bash "$0" pid1 "$folder" "$name" "$node"
fi

mkdir "$folder/up" "$folder/work" "$folder/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/up,workdir=$folder/work" "$folder/root"
root=$folder/root
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do cp -a "/dev/$device" "$root/dev/"; done
mkdir "$root/dev/net" "$root/dev/pts" "$root/dev/shm"
cp -a /dev/net/tun "$root/dev/net/tun"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

rm -rf "$root"/etc/systemd/system/* "$root"/etc/beam "$root"/etc/wireguard
units=$root/etc/systemd/system
for unit in $MASKED; do ln -s /dev/null "$units/$unit"; done
cp systemd/beam@.service "$units/"
printf '[Unit]\nRequires=systemd-journald.service\nAfter=systemd-journald.service\n' > "$units/test.target"
: > "$root/etc/machine-id"
mkdir -p "$root/etc/beam" "$root/opt/beam" "$root/oldroot"
mount --bind "$PWD" "$root/opt/beam"
ln -sf /opt/beam/dist/src/cli/main.js "$root/usr/local/bin/beam"
# It may lie in a home, which the unit doesn't see.
rm -f "$root/usr/local/bin/node" && touch "$root/usr/local/bin/node"
mount --bind "$node" "$root/usr/local/bin/node"

cd "$root"
pivot_root . oldroot
umount -l /oldroot
# As a container's manager hands it over: credentials are mounted by a process of their own.
mount --make-rshared /
exec env -i container=beam-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=test.target --log-target=null --show-status=no < /dev/null
