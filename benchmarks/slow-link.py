"""Usage: slow-link.py HERE THERE ONE_WAY_MS BITS_PER_SECOND

Makes two tun devices and carries packets between them, late and no faster than that: what tc's netem does,
for kernels that lack it. Packets beyond the queue's limit are lost, as with netem. Ends with its input.
"""
import collections
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
QUEUED_PACKETS = 1000


class Direction:
    def __init__(self, to, delay, rate):
        self.to, self.delay, self.rate = to, delay, rate
        self.queue = collections.deque()
        self.free_at = 0.0

    def take(self, packet, now):
        if len(self.queue) >= QUEUED_PACKETS:
            return
        self.free_at = max(now, self.free_at) + len(packet) * 8 / self.rate
        self.queue.append((self.free_at + self.delay, packet))

    def deliver(self, now):
        while self.queue and self.queue[0][0] <= now:
            try:
                os.write(self.to, self.queue.popleft()[1])
            except OSError:
                pass  # The device is down: the packet is lost.


def open_tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    return fd


def main():
    here, there = open_tun(sys.argv[1]), open_tun(sys.argv[2])
    delay, rate = float(sys.argv[3]) / 1000, float(sys.argv[4])
    ways = {here: Direction(there, delay, rate), there: Direction(here, delay, rate)}
    print("ready", flush=True)
    while True:
        dues = [way.queue[0][0] for way in ways.values() if way.queue]
        timeout = max(0.0, min(dues) - time.monotonic()) if dues else None
        readable, _, _ = select.select([here, there, 0], [], [], timeout)
        if 0 in readable and not os.read(0, 1):
            return
        for fd in readable:
            if fd != 0:
                read_all(fd, ways[fd])
        for way in ways.values():
            way.deliver(time.monotonic())


def read_all(fd, way):
    for _ in range(64):
        try:
            packet = os.read(fd, 2048)
        except OSError:
            return  # Nothing more, or the device is not up yet.
        way.take(packet, time.monotonic())


main()
