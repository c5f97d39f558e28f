# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the verifier of an old kernel refuses: deep stacks, and most atomic operations.

check_max_stack_depth() of the kernel adds up the frames of each chain of calls, each rounded up to
32 bytes, and refuses more than MAX_BPF_STACK, 512 bytes, and more than MAX_CALL_FRAMES, 8. Kernels
differ in what else they take into account, so one that accepts the object says nothing of 5.10.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
LINKED = TOP / "build/bpf/tcpdwell.linked.o"
FEATURES = TOP / "user/kernel/feature.c"

MAX_BPF_STACK = 512
MAX_CALL_FRAMES = 8
# Of which parts of a feature user/kernel/programs.c says that the kernel has all atomics (5.12).
WITH_ATOMICS = {"PART_ATOMIC", "PART_CAST", "PART_NO_CAST", "PART_ACCEPT2", "PART_ACCEPT4",
                "PART_COOKIE"}
ROUND = 32


@dataclass
class Function:
    """One function: the bytes of its frame, and which functions it calls or passes as callbacks."""

    name: str
    frame: int = 0
    fetches: bool = False  # it has an atomic operation that is more than an addition
    calls: set[tuple[str, int] | str] = field(default_factory=set)

    @property
    def takes(self) -> int:
        return max(self.frame + ROUND - 1, ROUND) // ROUND * ROUND


LABEL = re.compile(r"^([0-9a-f]{16}) <(.+)>:$")
RELOCATION = re.compile(r"^\s+[0-9a-f]+:\s+R_BPF_64_(32|64)\s+(\S+)")
INSTRUCTION = re.compile(r"^\s+([0-9]+):\s+((?:[0-9a-f]{2}\s){8})")
CALL, CALL_OF_OURS = 0x85, 1
STORE_OR_LOAD = {0x61, 0x69, 0x71, 0x79, 0x62, 0x6a, 0x72, 0x7a, 0x63, 0x6b, 0x73, 0x7b, 0xc3, 0xdb}
LOADS = {0x61, 0x69, 0x71, 0x79}
ATOMIC = {0xc3, 0xdb}
R10 = 10


def signed(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=True)


class Reader:
    """Reads the frames and calls out of a disassembly, a line at a time."""

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {}
        self.starts: dict[tuple[str, int], str] = {}
        self.section = ""
        self.function = Function("")
        self.copies: set[int] = set()
        self.last = b""
        self.index = 0

    def feed(self, line: str) -> None:
        relocated = RELOCATION.match(line)
        if not relocated:
            self.call_within_section()
        if line.startswith("Disassembly of section "):
            self.section = line.removeprefix("Disassembly of section ").rstrip(":")
        elif label := LABEL.match(line):
            self.function = self.functions.setdefault(label[2], Function(label[2]))
            self.starts[self.section, int(label[1], 16)] = label[2]
            self.copies = set()
        elif relocated:
            self.relocate(relocated[1], relocated[2])
            self.last = b""
        elif instruction := INSTRUCTION.match(line):
            self.index, self.last = int(instruction[1]), bytes.fromhex(instruction[2])
            self.instruction(self.last)

    def call_within_section(self) -> None:
        """Notes a call of a static function of the same section: it is relative, without
        relocation."""
        if self.last and self.last[0] == CALL and self.last[1] >> 4 == CALL_OF_OURS:
            to = self.index + 1 + signed(self.last[4:])
            self.function.calls.add((self.section, to * 8))
        self.last = b""

    def relocate(self, kind: str, name: str) -> None:
        """Notes a name, or a place in .text, which is in instructions for a call, in bytes for a
        pointer."""
        immediate = signed(self.last[4:])
        if name != ".text":
            self.function.calls.add(name)
        else:
            self.function.calls.add((name, (immediate + 1) * 8 if kind == "32" else immediate))

    def instruction(self, raw: bytes) -> None:
        """Notes the lowest byte that the instruction uses below r10 or below a copy of r10."""
        code, to, source = raw[0], raw[1] & 15, raw[1] >> 4
        self.function.fetches |= code in ATOMIC and signed(raw[4:]) != 0
        if code in STORE_OR_LOAD:
            base = source if code in LOADS else to
            if base == R10:
                self.deepen(signed(raw[2:4]))
        if code == 0xbf and source == R10:
            self.copies.add(to)
        elif code == 0x07 and to in self.copies:
            self.deepen(signed(raw[4:]))
            self.copies.discard(to)
        elif code not in STORE_OR_LOAD or code in LOADS:
            self.copies.discard(to)

    def deepen(self, offset: int) -> None:
        self.function.frame = max(self.function.frame, -offset)


def functions() -> dict[str, Function]:
    done = subprocess.run(["llvm-objdump", "-dr", LINKED], capture_output=True, text=True,
                          check=True)
    reader = Reader()
    for line in done.stdout.splitlines():
        reader.feed(line)
    for function in reader.functions.values():
        function.calls = {reader.starts[call] if isinstance(call, tuple) else call
                          for call in function.calls}
    return reader.functions


def chains(all_of: dict[str, Function], name: str) -> Iterator[list[Function]]:
    """Yields each chain of calls from @name down; a kfunc has no frame here, and nothing
    recurses."""
    callees = [call for call in sorted(map(str, all_of[name].calls)) if call in all_of]
    if not callees:
        yield [all_of[name]]
    for callee in callees:
        for rest in chains(all_of, callee):
            yield [all_of[name], *rest]


def described(chain: list[Function]) -> str:
    return " > ".join(f"{function.name} {function.frame}" for function in chain)


def test_no_chain_of_calls_takes_more_than_the_verifier_allows() -> None:
    all_of = functions()
    deepest: dict[str, tuple[int, str]] = {}
    for name in all_of:
        for chain in chains(all_of, name):
            bytes_taken = sum(function.takes for function in chain)
            deepest[name] = max(deepest.get(name, (0, "")), (bytes_taken, described(chain)))
            assert len(chain) <= MAX_CALL_FRAMES, described(chain)
    # A reader that understands nothing would find no frames, and no fault.
    assert deepest["inet_sock_set_state"][0] > ROUND
    too_deep = sorted(chain for chain in set(deepest.values()) if chain[0] > MAX_BPF_STACK)
    assert not too_deep, "\n".join(f"{taken}: {text}" for taken, text in too_deep)


def reached(all_of: dict[str, Function], name: str) -> set[str]:
    return {function.name for chain in chains(all_of, name) for function in chain}


def test_kernels_before_5_12_get_no_atomics_that_they_refuse() -> None:
    all_of = functions()
    fetching = {name for name, function in all_of.items() if function.fetches}
    parts = re.findall(r'{ "(\w+)",\s*(PART_\w+) }', FEATURES.read_text("utf-8"))
    programs = [(name, when) for name, when in parts if name in all_of]
    assert any(reached(all_of, name) & fetching for name, _ in programs)
    refused = {name: reached(all_of, name) & fetching for name, when in programs
               if when not in WITH_ATOMICS and reached(all_of, name) & fetching}
    assert not refused
