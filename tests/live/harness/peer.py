# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A TCP peer that is no socket: the test itself writes each segment, when it wants to.

Link gives a namespace a device, veth0, whose other end only the test uses. Segments that the
namespace sends to the peers' addresses reach the test with the kernel's time stamp, and are
otherwise lost. So a test knows when each segment went, in both directions, and nothing answers by
itself.
"""

from __future__ import annotations

import itertools
import os
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from . import capability
from .netns import Netns

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
# Longer than the first retransmissions of a SYN-ACK or FIN take on a busy machine.
LIMIT_S = 20

ETH_P_ALL = 3
ETHERTYPES = {4: 0x0800, 6: 0x86DD}
# The socket module does not have it; the number is the same on every architecture but two.
SO_TIMESTAMPNS = 35
# No segment waits this long to be read, and the two clocks differ by years.
STAMP_AGE_NS = 3600 * 10**9

# Locally administered, but not the devices' addresses: the kernel drops what is sent to them.
PEER_MAC = bytes.fromhex("020000000009")
DEVICE_MAC = bytes.fromhex("020000000001")
PEERS = {4: "192.0.2.9", 6: "2001:db8::9"}
HOSTS = {4: "192.0.2.1", 6: "2001:db8::1"}

_ports = itertools.count(20000)


def _sum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksum(data: bytes) -> int:
    return ~_sum(data) & 0xFFFF


@dataclass(frozen=True)
class Segment:
    """A segment as in its frame. time_ns is the kernel's CLOCK_MONOTONIC, if Link received it."""

    time_ns: int
    version: int
    sport: int
    dport: int
    seq: int
    ack: int
    flags: int
    size: int  # of the payload

    @property
    def next(self) -> int:
        return (self.seq + self.size + bool(self.flags & SYN) + bool(self.flags & FIN)) % 2**32

    @classmethod
    def parse(cls, time_ns: int, frame: bytes) -> Segment | None:
        kind = int.from_bytes(frame[12:14], "big")
        if kind == ETHERTYPES[4] and frame[23] == socket.IPPROTO_TCP:
            version, at = 4, 14 + (frame[14] & 15) * 4
            end = 14 + int.from_bytes(frame[16:18], "big")
        elif kind == ETHERTYPES[6] and frame[20] == socket.IPPROTO_TCP:
            version, at = 6, 14 + 40
            end = at + int.from_bytes(frame[18:20], "big")
        else:
            return None
        sport, dport, seq, ack, offset, flags = struct.unpack_from("!HHIIBB", frame, at)
        return cls(time_ns, version, sport, dport, seq, ack, flags & 0x3F,
                   end - at - (offset >> 4) * 4)


@dataclass(frozen=True)
class Sent:
    """When the test sent a segment: CLOCK_MONOTONIC before and after the system call."""

    before_ns: int
    after_ns: int


@dataclass(eq=False, repr=False)
class Link:
    """The link between a namespace and its peers."""

    netns: Netns
    inode: int  # of the namespace, which may end before its rows are read
    sock: socket.socket
    segments: list[Segment] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    @classmethod
    def make(cls, netns: Netns) -> Link:
        versions = [4, 6] if capability.ipv6() else [4]
        netns.ipv4, netns.ipv6 = HOSTS[4], HOSTS[6]
        netns.ip_all(
            f"link add veth0 address {DEVICE_MAC.hex(':')} type veth peer name wire0",
            f"addr add {HOSTS[4]}/24 dev veth0", "link set wire0 up", "link set veth0 up",
            *[f"addr add {HOSTS[6]}/64 dev veth0 nodad"] * (6 in versions),
            *[f"neigh replace {PEERS[version]} lladdr {PEER_MAC.hex(':')} dev veth0 nud permanent"
              for version in versions])
        # Until the carrier is known, what is sent is lost, and nobody sends it again.
        deadline = time.monotonic() + LIMIT_S
        while not netns.device_is_up("wire0") and time.monotonic() < deadline:
            time.sleep(0.01)
        link = cls(netns, netns.inode, netns.inside(cls._open))
        threading.Thread(target=link._read, daemon=True).start()
        return link

    @staticmethod
    def _open() -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        # What is not read in time is lost, and a thousand connections may close at once.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        sock.bind(("wire0", ETH_P_ALL))
        return sock

    def _read(self) -> None:
        while True:
            try:
                if not select.select([self.sock], [], [], 1)[0]:
                    continue
                frame, ancillary, _, sender = self.sock.recvmsg(2048, 256)
            except (OSError, ValueError):
                return  # closed
            if sender[2] == socket.PACKET_OUTGOING:
                continue
            seconds, rest = struct.unpack("@qq", ancillary[0][2])
            # The stamp is of the wall clock, which was ahead of CLOCK_MONOTONIC by this much a
            # moment ago. Until 5.17 it may be the time at which the sender meant it to go, by
            # CLOCK_MONOTONIC.
            stamp_ns, now_ns = seconds * 10**9 + rest, time.time_ns()
            is_wall = now_ns - stamp_ns < STAMP_AGE_NS
            ahead_ns = now_ns - time.monotonic_ns() if is_wall else 0
            segment = Segment.parse(stamp_ns - ahead_ns, frame)
            if segment:
                with self.news:
                    self.segments.append(segment)
                    self.news.notify_all()

    def close(self) -> None:
        self.sock.close()

    def write(self, version: int, source: bytes, target: bytes, tcp: bytes) -> Sent:
        """Sends a TCP segment, and fills in its checksum."""
        pseudo = source + target + struct.pack("!II", len(tcp), socket.IPPROTO_TCP)
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        if version == 4:
            return self.write_ip4(socket.IPPROTO_TCP, source, target, tcp)
        head = struct.pack("!IHBB", 6 << 28, len(tcp), socket.IPPROTO_TCP, 64) + source + target
        return self._write(version, head + tcp)

    def write_ip4(self, protocol: int, source: bytes, target: bytes, payload: bytes) -> Sent:
        """Sends an IPv4 packet."""
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol,
                           0) + source + target
        return self._write(4, head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload)

    def _write(self, version: int, packet: bytes) -> Sent:
        frame = DEVICE_MAC + PEER_MAC + struct.pack("!H", ETHERTYPES[version]) + packet
        before_ns = time.monotonic_ns()
        self.sock.send(frame)
        return Sent(before_ns, time.monotonic_ns())


class Peer:
    """One end of a connection to or from the namespace."""

    def __init__(self, link: Link, version: int = 4, rport: int = 0, port: int = 0) -> None:
        self.link, self.version, self.rport = link, version, rport
        self.port = port or next(_ports)
        self.isn = int.from_bytes(os.urandom(4), "big")
        self.next, self.wants = self.isn, 0
        self.seen = 0  # segments of the link that were read
        self.window = 65535  # that each segment announces

    def send(self, flags: int, payload: bytes = b"", options: bytes = b"",
             seq: int | None = None) -> Sent:
        """Sends a segment, in sequence unless seq is given."""
        family = socket.AF_INET if self.version == 4 else socket.AF_INET6
        source = socket.inet_pton(family, PEERS[self.version])
        target = socket.inet_pton(family, HOSTS[self.version])
        options += b"\1" * (-len(options) % 4)
        tcp = struct.pack("!HHIIBBHHH", self.port, self.rport,
                          self.next if seq is None else seq % 2**32,
                          self.wants if flags & ACK else 0,
                          (20 + len(options)) // 4 << 4, flags, self.window, 0,
                          0) + options + payload
        if seq is None:
            consumed = len(payload) + bool(flags & SYN) + bool(flags & FIN)
            self.next = (self.next + consumed) % 2**32
        return self.link.write(self.version, source, target, tcp)

    def expect(self, flags: int, limit_s: float = LIMIT_S) -> Segment:
        """Waits for the next segment to this peer that has exactly these of SYN, FIN, RST and ACK.
        """
        mask = SYN | FIN | RST | ACK
        deadline = time.monotonic() + limit_s
        with self.link.news:
            while True:
                for segment in self.link.segments[self.seen:]:
                    self.seen += 1
                    if (segment.version == self.version and segment.dport == self.port
                            and self.rport in (0, segment.sport)
                            and segment.flags & mask == flags):
                        self.rport = segment.sport
                        self.wants = segment.next
                        return segment
                left = deadline - time.monotonic()
                assert left > 0, f"no segment with flags {flags:#x} in {limit_s} s"
                self.link.news.wait(left)

    def syn(self, options: bytes = b"", payload: bytes = b"") -> Sent:
        """Begins a connection. The MSS is 1460, as on Ethernet."""
        return self.send(SYN, payload, b"\2\4\5\xb4" + options)

    def open(self) -> Segment:
        """Does the whole handshake, begun here; returns the SYN-ACK."""
        self.syn()
        answer = self.expect(SYN | ACK)
        self.send(ACK)
        return answer

    def answer(self) -> Segment:
        """Does the whole handshake, begun by the namespace; returns the SYN."""
        syn = self.expect(SYN)
        self.send(SYN | ACK, options=b"\2\4\5\xb4")
        self.expect(ACK)
        return syn
