#!/bin/sh
# machine.sh NETNS NAME CHECKOUT ADDRESS PEER PEER-ADDRESS PROGRAM: a machine of its own in that network namespace, on a
# copy-on-write view of this one, with an sshd, and PROGRAM as the shell has it in its PATH. Nothing that is written there reaches this
# machine. Prints the process id of its first process, as this machine sees it; when standard input ends, so does all of it.
set -eu

if [ "${1-}" = inside ]; then
    shift
    name=$1 checkout=$2 address=$3 peer=$4 peer_address=$5 program=$6
    mount --make-rprivate /
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/upper /mnt/work /mnt/root
    mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
    root=/mnt/root
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    # What others do here meanwhile, as installing the package, would show through where nothing was written there.
    mount -t tmpfs -o mode=0755 tmpfs "$root/etc"
    cp -a /etc/. "$root/etc/" 2>/dev/null || [ -e "$root/etc/passwd" ]
    mount -t tmpfs -o mode=0700 tmpfs "$root/root"
    mount -t tmpfs -o mode=0755 tmpfs "$root/var/lib"
    mkdir "$root/var/lib/dpkg"
    mkdir -p "$root/run/sshd" "$root/old" "$root$checkout"
    mount --bind -o ro "$checkout" "$root$checkout"
    cd "$root"
    pivot_root . old
    umount -l /old
    chmod 1777 /tmp
    hostname "$name"
    printf '127.0.0.1 localhost\n%s %s\n%s %s\n' "$address" "$name" "$peer_address" "$peer" >/etc/hosts
    rm -rf /etc/ssh /etc/bm-confsync
    mkdir -m 0755 /etc/ssh
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f /etc/ssh/ssh_host_ed25519_key
    printf '%s\n' 'HostKey /etc/ssh/ssh_host_ed25519_key' 'PermitRootLogin yes' 'PasswordAuthentication yes' \
        'UsePAM no' 'SetEnv PATH=/usr/local/bin:/usr/bin:/bin' >/etc/ssh/sshd_config
    echo "root:password of $name" | chpasswd -c SHA256
    printf '#!/bin/sh\nexec %s "$@"\n' "$program" >/usr/local/bin/bm-confsync
    chmod 0755 /usr/local/bin/bm-confsync
    "$(command -v sshd)" -D &
    touch /run/own-machine
    exec sleep infinity
fi

netns=$1
shift
exec 3<&0
ip netns exec "$netns" unshare --mount --pid --uts --ipc --fork --kill-child \
    sh "$0" inside "$@" </dev/null >/dev/null 3<&- &
parent=$!
until init=$(pgrep -P "$parent"); do
    kill -0 "$parent"
    sleep 0.02
done
echo "$init"
cat <&3 >/dev/null
# What it started goes with it. The shell would tell of it.
exec 2>/dev/null
kill -KILL "$parent"
wait "$parent" || true
