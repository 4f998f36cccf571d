#!/bin/sh
# boot.sh FOLDER: boots systemd on a copy-on-write view of this machine, in namespaces of its own, and stays its
# parent. FOLDER is /share there; nothing else that is written there reaches this machine. Prints the process id of
# that systemd, as this machine sees it; when standard input ends, all of it ends.
set -eu
share=$1

hierarchies() {
    awk '$3 ~ /^cgroup2?$/ { print $2 }' /proc/self/mounts
}

if [ "${2-}" = inside ]; then
    mount --make-rprivate /
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/upper /mnt/work /mnt/root
    mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
    root=/mnt/root
    mount -t proc proc "$root/proc"
    # The settings of the kernel are this machine's.
    mount --bind -o ro "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    mount --rbind /sys "$root/sys"
    for hierarchy in $(hierarchies); do
        [ ! -d "$hierarchy/$3" ] || mount --bind "$hierarchy/$3" "$root$hierarchy"
    done
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    mkdir -p "$root/share" "$root/old"
    mount --bind "$share" "$root/share"
    # Containers forbid their packages to start and stop services by this file.
    rm -f "$root/usr/sbin/policy-rc.d"
    # Only what a service needs: no devices, no network, no logins, no other services.
    for unit in systemd-udevd systemd-udev-trigger systemd-modules-load systemd-networkd networking ssh cron dbus; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit.service"
    done
    cd "$root"
    pivot_root . old
    umount -l /old
    export container=lxc
    exec /lib/systemd/systemd --system --unit=basic.target
fi

# Control groups of its own, below the top: what that systemd makes goes with them.
name=bmcs-booted-$$
for hierarchy in $(hierarchies); do
    mkdir "$hierarchy/$name" 2>/dev/null || continue
    # Some take no process before they are set up; systemd does without them.
    { echo $$ >"$hierarchy/$name/cgroup.procs"; } 2>/dev/null || rmdir "$hierarchy/$name"
done

exec 3<&0
unshare --mount --pid --uts --ipc --net --cgroup --fork --kill-child sh "$0" "$share" inside "$name" </dev/null >/dev/null 2>&1 3<&- &
parent=$!
until init=$(pgrep -P "$parent"); do
    kill -0 "$parent"
    sleep 0.02
done
echo "$init"
cat <&3 >/dev/null
kill -KILL "$init"
wait "$parent" || true

for hierarchy in $(hierarchies); do
    [ -d "$hierarchy/$name" ] || continue
    echo $$ >"$hierarchy/cgroup.procs"
    find "$hierarchy/$name" -depth -type d -exec rmdir {} +
done
