#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Writes tests/fuzz/corpus: inputs that lead a fuzzer to code that it would hardly find by itself.

The folders also have inputs that once failed, found-*, which this does not make.
"""

import struct
import zlib
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"

STATES = {name: number for number, name in enumerate(
    "ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN"
    " CLOSING".split())}
EXACT, AT_LEAST = 1, 2
LONG = 1 << 63
V4 = bytes([192, 0, 2, 1])
V6 = bytes.fromhex("20010db8111122223333444455556677")
NASTY = b"\x1b[31m\xff\"\\,\xe2\x80\xae"


def put(target: str, name: str, data: bytes) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def row(before: str, after: str, dwell_ns: int = 0, comm: bytes = b"nginx", addr: bytes = V4,
        dwell: int = EXACT, reason: int = 0, time_ns: int = 12 * 10**9, err: int = 0) -> bytes:
    """Returns a transition (include/wire.h) as rows_take() reads it: states count from 0."""
    return struct.pack(
        "<HHBBBBQQQQIIIBBBBHHHH16s16s16s", 1, 112, STATES[before], STATES[after], len(addr) == 16,
        0, time_ns, dwell_ns, 4097, 5, 0, 7, 33, dwell, 3, reason, 2, err, 40001, 443, 2, comm,
        addr, addr)


def a_socket(state: str, key: int, pid: int, since_ns: int, comm: bytes = b"server") -> bytes:
    return struct.pack(
        "<HHBBBBQQQQIIIIIB3xIIHHI16s16s16s", 2, 128, STATES[state], key & 1, EXACT, 0, key,
        since_ns, 0, 5, 0, 33, pid, 7 + key, pid, 3, 3, 128, 80, 40000 + key, 0, comm, V4, V6)


ROWS = b"".join([
    row("CLOSE", "SYN_SENT", dwell=0),
    row("SYN_SENT", "ESTABLISHED", 126_000, addr=V6),
    row("ESTABLISHED", "CLOSE_WAIT", 3_200_000, comm=NASTY),
    row("CLOSE_WAIT", "CLOSE", LONG, reason=2, err=104),
    row("TIME_WAIT", "CLOSE", 2**64 - 1, dwell=AT_LEAST, reason=10, time_ns=2**64 - 1),
    row("LISTEN", "CLOSE", 61 * 60 * 10**9, reason=8, comm=b"fifteen letters"),
])
SUMMARY = struct.pack("<12Q", 9, 6, 0, 1, 2, 0, 0, 0, 2**64 - 1, 0, 0, 1)


def rows() -> None:
    for target in ("table", "json", "csv"):
        put(target, "plain", bytes([8, 132]) + ROWS + SUMMARY)
        put(target, "wide", bytes([1 | 2 | 4 | 8, 0]) + ROWS + SUMMARY)
        put(target, "terminal", bytes([16, 80]) + ROWS + SUMMARY)
        put(target, "empty", b"")
    put("decode", "whole", struct.pack("<HH", 1, 112) + bytes([1, 7, 4]) + ROWS[7:112])
    put("decode", "newer", struct.pack("<HH", 1, 120) + bytes([1, 7, 6]) + ROWS[7:112] + bytes(8))
    put("decode", "short", b"\1\0\x70")


def stat() -> None:
    def key(state: str, chunk: int, comm: bytes) -> bytes:
        return struct.pack("<BBHI16s", 1 + STATES[state], chunk, 0, 1234, comm)

    def element(state: str, bucket: int, count: int, max_ns: int, comm: bytes = b"curl") -> bytes:
        return key(state, bucket // 16, comm) + struct.pack("<QBBQ", max_ns, 0, bucket % 16, count)

    elements = (element("ESTABLISHED", 500, 290, 22 * 10**6)
                + element("TIME_WAIT", 1888, 3, LONG, NASTY)
                + element("LISTEN", 1919, 2**64 - 1, 2**64 - 1)
                + key("CLOSE_WAIT", 255, b"old") + struct.pack("<QBBQ", 5, 0, 0, 2))
    times = struct.pack("<4Q", 10**10, 12 * 10**9, 1709251198 * 10**9, 7)
    for by, name in enumerate("process comm port lport rport prefix cgroup state".split()):
        put("stat", name, bytes([by % 8, 3, by, 24, 64]) + times + b"\2" + elements)


def timewait() -> None:
    def settings(inode: int, name: bytes, low: int, high: int) -> bytes:
        width = (high - low) * 255 // (65535 - low)
        return bytes([0, inode]) + struct.pack("<HH31sBBHBBIII", low - 1, 65535, name, 1, width, 0,
                                               2, 1, 1000, 60, 131072)

    def old(left_ns: int) -> bytes:
        return bytes([1, 0, 0, 0]) + struct.pack("<HHBQ", 40000, 443, 1, left_ns) + 2 * V6

    def event(raw: bytes, steps: int) -> bytes:
        return b"\3" + raw + b"\0" + struct.pack("<I", steps)

    def render(top: int) -> bytes:
        return b"\2\1" + SUMMARY + bytes([top]) + bytes(8)

    enter = row("FIN_WAIT2", "TIME_WAIT", 5)
    host = settings(0, b"", 32768, 60999) + settings(1, NASTY, 40000, 40500)
    lives = b"".join(event(enter, 10**6) + event(row("TIME_WAIT", "CLOSE", dwell, reason=reason),
                                                 10**6)
                     for dwell, reason in ((60 * 10**9, 10), (LONG, 10), (0, 11), (10**9, 12),
                                           (2**64 - 1, 14)))
    refused = event(row("SYN_SENT", "CLOSE", reason=9, err=99, addr=V6), 10)
    put("timewait", "host", host + old(31 * 10**9) + old(2**64 - 1) + lives + render(5))
    put("timewait", "refused", host + 20 * refused + render(100))
    put("timewait", "unknown", 3 * event(enter, 2**32 - 1) + render(1))


def leaks() -> None:
    def entry(op: int, raw: bytes, since: int = 10**6) -> bytes:
        return bytes([op]) + raw + b"\1" + struct.pack("<I", since)

    def look(states: int) -> bytes:
        return b"\0" + struct.pack("<HBIBBBI", states, 0, 600 * 10**6, 9, 0, 0, 10**8)

    def frame(what: int) -> bytes:
        return bytes([7, what]) + struct.pack("<15s23s15s20sI", b"/lib/\x1b.so", b"main", b"a.c",
                                              b"identity", 42)

    def stack(*frames: int) -> bytes:
        return bytes([1, 0, len(frames), 0]) + b"".join(frame(f) for f in frames) + b"\0"

    head = struct.pack("<HBI", 1 << 8, 0, 10**9 // 100)
    seen = b"".join(entry(2, a_socket("CLOSE_WAIT", key, 1, 0)) for key in range(5))
    queue = b"".join(entry(2, a_socket("ESTABLISHED", key, 2, 0, NASTY)) for key in range(3))
    closed = b"\1" + row("CLOSE_WAIT", "LAST_ACK", LONG) + b"\0" + struct.pack("<I", 10)
    put("leaks", "plain", head + b"\0" + seen + look(1 << 8))
    watched = seen + look(1 << 8) + closed + seen + queue + look(2 | 256)
    put("leaks", "watch", head + b"\0" + watched)
    put("leaks", "stacks", head + b"\1" + seen + look(1 << 8)[:10] + stack(3, 8 | 16 | 32) * 5)
    put("snapshot", "plain", b"\0" + bytes(12) + b"".join(
        a_socket(state, key, key % 4, LONG, NASTY) for key, state in enumerate(STATES)))


def options() -> None:
    lines = {
        "trace": "-L\n80,443-500\n--comm\nnginx\n-o\njson\n-d\n1.5s\n-wTt\n--uid=www-data,0",
        "addresses": "--addr\n10.0.0.0/8,2001:db8::/32,::ffff:1.2.3.4\n-6",
        "stat": "stat\n--by=prefix\n--prefix\n24,64\n-i\n1s\n--histogram",
        "leaks": "leaks\n--watch\n--stacks\n--older=1m\n--state\nclose-wait,LAST_ACK",
        "program": "trace\n-q\n--\nsleep\n1",
        "sizes": "--ring-size\n64K\n--max-sockets\n1000\n--netns\nnet:[4026531840]\n-6",
        "bad": "--ring-size\n\x1b[31m\n--nonsense\n-Z",
        "help": "timewait\n-h",
    }
    for name, text in lines.items():
        put("options", name, text.encode())
    values = ["0,www-data,1", "1,2,3", "10.0.0.0/8,::1/128,::ffff:9.9.9.9", "1-65535,80,443",
              "established,CLOSE_WAIT,fin-wait-1", "net:[4026531840]", "second", "64K", "1.5ms",
              "5000"]
    for kind, text in enumerate(values):
        # parse_ids() has the first two kinds in the other order.
        put("parse", f"kind-{kind}", bytes([kind]) + text.encode())
    put("parse", "duration-huge", b"\x089223372036.854775808s")
    put("parse", "size-huge", b"\x0717179869184G")


def texts() -> None:
    put("escape", "nasty", b"\x05" + NASTY + "aµ█😀".encode() + b"\xc0\x80\xed\xa0\x80\0=1+1")
    put("escape", "formula", b"\x20=cmd|' /C calc'!A0")
    pod = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1a_2b.slice"
    put("container", "kubernetes", f"0::{pod}/cri-containerd-{'a1' * 32}.scope\n".encode())
    put("container", "hybrid", b"12:memory:/docker/" + b"0f" * 32 + b"\n1:name=systemd:/a.service\n"
        b"0::/system.slice/machine-x\\x2dy.scope/c.service\n")
    put("container", "nspawn", b"/machine.slice/systemd-nspawn@a\\x5c\\x2.service/payload")
    put("perf_map", "lines", struct.pack("<Q", 0x7f0000001010)
        + b"7f0000001000 20 one\n0x7f0000001000 20 Lcom/example/Main;::main \x1b[31m\n1 2\n")
    most = b"ffffffffffffffff"
    put("perf_map", "ends", struct.pack("<Q", 2**64 - 1) + most + b" " + most + b" last")


def procfs() -> None:
    files = [
        b"400000-401000 r-xp 00001000 08:01 12   /bin/a b (deleted)\n7f00-7f10 r-xp 0 0:0 0 \n"
        b"0-ffffffffffffffff x\n",
        b"Name:\tserver\nState:\tS (sleeping)\nTgid:\t7\nUid:\t0\t0\t0\t0\nNSpid:\t7\t1\n",
        b"0::/system.slice/a.service\n",
        b"server\0--flag\0" + 600 * "ü".encode(),
        b"Max open files            1024                 1048576              files\n",
        b"server\n",
        b"TCP: inuse 3 orphan 0 tw 5 alloc 9 mem 1\n",
        b"30 1 0:4 /a /sys/fs/cgroup\\040x rw shared:1 - cgroup2 cgroup2 rw\n"
        b"31 1 0:4 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        b"ffffffff81000000 T tcp_v4_connect\nffffffff81000010 t tcp_close\t[module]\n",
        b"monotonic 9223372036854775807 1\nboottime 0 0\n",
        b"32768\t60999\n",
        b"1-65535,40000-50000,1-65535\n",
    ]
    for number, data in enumerate(files):
        put("procfs", f"file-{number}", bytes([number]) + data)
    put("procfs", "no-setting", b"\x0a")


def netlink() -> None:
    def message(kind: int, body: bytes) -> bytes:
        return struct.pack("<IHHII", 16 + len(body), kind, 0, 0, 0) + body

    def diag(family: int, state: int, more: bytes = b"") -> bytes:
        ends = struct.pack(">HH", 443, 40000) + 2 * V6 + struct.pack("<III", 0, 5, 1)
        return message(20, struct.pack("<BBBB", family, state, 3, 0) + ends
                       + struct.pack("<5I", 59996, 3, 128, 33, 4711) + more)

    times = struct.pack("<4I", 11, 22, 33, 44)
    info = struct.pack("<HH", 4 + 104, 2) + bytes(44) + times + bytes(44)
    put("sockdiag", "sockets", diag(2, 6) + diag(10, 1, struct.pack("<HHI", 5, 8, 3) + info)
        + message(3, bytes(4)))
    put("sockdiag", "error", message(2, struct.pack("<i", -2) + bytes(16)))
    put("sockdiag", "no-error", message(2, struct.pack("<i", 5) + bytes(16)))
    put("sockdiag", "cut", diag(10, 10)[:80])


def elf() -> None:
    names = b"\0.debug_info\0.zdebug_line\0.gnu_debugdata\0"
    index = b"\0\1\x10\x80\x80\4"
    index += bytes(-len(index) % 4)
    index += struct.pack("<I", zlib.crc32(index))
    xz = index + struct.pack("<IIH", 0, len(index) // 4 - 1, 1) + b"YZ"
    head_size, at = 64 + 2 * 56, 64 + 2 * 56
    note = struct.pack("<III4s20s", 4, 20, 3, b"GNU", bytes(range(20)))
    chdr = struct.pack("<IIQQ", 1, 0, 1 << 40, 1)
    zlib_old = b"ZLIB" + struct.pack(">Q", 1 << 30)
    pieces, places = [note, names, chdr, zlib_old, xz], []
    for piece in pieces:
        places.append(at)
        at += len(piece)
    ident = b"\x7fELF\2\1\1" + bytes(9)
    headers = (struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0, 4096, 4096, 4096)
               + struct.pack("<IIQQQQQQ", 4, 4, places[0], 0, 0, len(note), len(note), 4))
    sections = b"".join(
        struct.pack("<IIQQQQIIQQ", name, kind, flags, 0, places[place], len(pieces[place]), 0, 0, 1,
                    0)
        for name, kind, flags, place in (
            (0, 0, 0, 0), (0, 3, 0, 1), (1, 1, 0x800, 2), (13, 1, 0, 3), (26, 1, 0, 4)))
    file = ident + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, at, 0, 64, 56, 2, 64, 5, 1)
    file += headers + b"".join(pieces) + sections
    assert len(file) == at + len(sections) and head_size == places[0]
    put("elf", "whole", file)
    put("elf", "no-sections", file[:40] + bytes(8) + file[48:at])
    put("elf", "many-sections", file[:60] + bytes(2) + b"\xff\xff" + file[64:])
    put("elf", "xz", xz)


def symbols() -> None:
    image = bytes(20) + b"\x14\1" + bytes(2) + struct.pack("<3Q", 0, 0x400000, 4096) + bytes(7 * 24)
    rule = struct.pack("<I4xqI4xqI4xq", 0, 16, 0, -8, 1, -16)
    answer = struct.pack("<QiIII4x", 1, 0, 1, 0, 0)[:24] + image + rule
    answer += struct.pack("<QI", 5, 42) + b"main".ljust(512, b"\0") + b"a.c".ljust(512, b"\0")
    answer += bytes(-len(answer) % 8)
    sp = 0x7ffc00000000
    stack = struct.pack("<QIB3xiiII4Q", 1, 7, 3, 24 * 8, 24 * 32, 960, 0, 0x400010, sp, sp + 64, 0)
    stack += struct.pack("<24Q", *range(0x400010, 0x400010 + 24))
    stack += bytes(24 * 32) + struct.pack("<120Q", *(sp + 8 * i for i in range(120)))
    put("symbols", "answer", b"\1" + answer + stack)
    put("symbols", "request", b"\0\1" + struct.pack("<QQII", 1, 2, 0, 255))
    put("symbols", "cut", b"\1" + answer[:600])


def main() -> None:
    for make in (rows, stat, timewait, leaks, options, texts, procfs, netlink, elf, symbols):
        make()


if __name__ == "__main__":
    main()
