#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holds the types that the BPF program reads against the BTF of kernels.

    check.py [BTF…]                        every type, field and enumerator of vmlinux.h
    check.py --relocations OBJECT [BTF…]   every CO-RE relocation of a BPF object

A BTF is a raw file, an ELF file with a .BTF section or a kernel's boot image; the default is the
running kernel's.  Offsets may differ, CO-RE is there for that.  What must agree is the name and,
for a scalar, the kind and the size.

What a kernel may lack is listed and is no error: a type with a ___flavour, if one of its flavours
or the plain type fits; a line of vmlinux.h whose comment says `since` or `until` a version; in an
object, what it asks for with bpf_core_field_exists() and the like.  Exits 1 on an error.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import btf
from btf import ARRAY, ENUM, ENUM64, FUNC, PTR, STRUCT, TYPEDEF, UNION, Btf, Type, plain

RUNNING = Path("/sys/kernel/btf/vmlinux")
HEADER = Path(__file__).with_name("vmlinux.h")
COMPOSITE = (STRUCT, UNION)
DEFINED = (STRUCT, UNION, ENUM, ENUM64, TYPEDEF)
DEFINITION = re.compile(r"^(struct|union|enum) (\w+) \{", re.MULTILINE)
# What the loader adds to the kernel's types: BTF_ID_x is the id of struct x (bpf/read.bpf.h).
TYPE_IDS, TYPE_IDS_PREFIX = "tcpdwell_btf_id", "BTF_ID_"
TYPEDEF_END = re.compile(r"^\} (\w+);", re.MULTILINE)
MARKED = re.compile(
    r"\b(\w+)(?:\[\w*\]|\(.*\)|\s*:\s*\d+)?\s*(?:[;,{]|=[^,]*,).*/\*.*\b(since|until)\b"
)


class Report:
    """What one kernel lacks."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.optional: list[str] = []

    def add(self, problem: str | None, optional: bool) -> None:
        if problem:
            (self.optional if optional else self.errors).append(problem)

    def print(self, checked: int, what: str, kernel: Path) -> None:
        for text in sorted(set(self.optional)):
            print(f"  optional  {text}")
        for text in sorted(set(self.errors)):
            print(f"  ERROR     {text}")
        wrong, absent = len(set(self.errors)), len(set(self.optional))
        print(f"{kernel}: {checked} {what}, {wrong} wrong, {absent} optional absent")


def mismatch(ours: Btf, local: Type, theirs: Btf, target: Type) -> str | None:
    """Why a field of type local cannot be read from one of type target."""
    local, target = ours.resolve(local.id), theirs.resolve(target.id)
    if local.kind in COMPOSITE and target.kind in COMPOSITE:
        return None
    enums = (ENUM, ENUM64)
    if local.kind != target.kind and not (local.kind in enums and target.kind in enums):
        return "is of another kind"
    if local.kind == ARRAY:
        inner = ours.type(ours.array(local)[0]), theirs.type(theirs.array(target)[0])
        return mismatch(ours, inner[0], theirs, inner[1])
    if local.kind != PTR and ours.size(local) != theirs.size(target):
        return f"has {theirs.size(target)} bytes, not {ours.size(local)}"
    return None


def element(types: Btf, t: Type) -> Type:
    """What a field is looked for in: the type itself, or that of an array's elements."""
    t = types.resolve(t.id)
    while t.kind == ARRAY:
        t = types.resolve(types.array(t)[0])
    return t


def walk(ours: Btf, local: Type, theirs: Btf, target: Type, path: list[str]) -> str | None:
    """Why the field named by path, inside local, cannot be read from target."""
    name = plain(local.name)
    for field in path:
        mine = ours.member(element(ours, local), field)
        found = theirs.member(element(theirs, target), field)
        name += "." + field
        if mine is None or found is None:
            return f"{name} is absent"
        local, target = ours.type(mine.type_id), theirs.type(found.type_id)
        reason = None if mine.bits or found.bits else mismatch(ours, local, theirs, target)
        if reason:
            return f"{name} {reason}"
    return None


def fields(types: Btf, t: Type) -> list[str]:
    """The names of a type's members, those of anonymous members included."""
    names = []
    for m in types.members(t):
        names += [m.name] if m.name else fields(types, types.resolve(m.type_id))
    return names


# ---- vmlinux.h -----------------------------------------------------------------------------------


def compile_header(header: Path) -> Btf:
    """The BTF of all that the header defines.

    clang keeps only the types in use, so each gets a variable.
    """
    text = header.read_text()
    lines = [f'#include "{header.resolve()}"']
    lines += [f"{kind} {name} check_{name};" for kind, name in DEFINITION.findall(text)]
    lines += [f"{name} check_{name};" for name in TYPEDEF_END.findall(text)]
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "check.c"), Path(folder, "check.o")
        source.write_text("\n".join(lines) + "\n")
        clang = os.environ.get("CLANG", "clang")
        subprocess.run(
            [clang, "-target", "bpf", "-D__TARGET_ARCH_x86", "-g", "-c", "-o", output, source],
            check=True,
        )
        return Btf.load(output)


def marked(header: Path) -> set[tuple[str, str]]:
    """The (type, member) that the header says not every kernel has; "" is the type itself."""
    found, outer = set(), ""
    for line in header.read_text().splitlines():
        opening, mark = DEFINITION.match(line), MARKED.search(line)
        outer = opening.group(2) if opening else outer
        if mark:
            found.add((outer, "" if opening else mark.group(1)))
    return found


def check_type(ours: Btf, local: Type, theirs: Btf) -> dict[str, str]:
    """What is wrong with each member of one type; "" is the type itself."""
    name = plain(local.name)
    target = theirs.find(name, local.kind)
    if target is None:
        return {"": f"{name} is absent"}
    if local.kind in (ENUM, ENUM64):
        values = theirs.enumerators(target)
        return {e: f"{name} has no {e}" for e in ours.enumerators(local) if e not in values}
    own = ours.resolve(local.id)
    problems = {f: walk(ours, local, theirs, target, [f]) for f in fields(ours, own)}
    return {f: problem for f, problem in problems.items() if problem}


def check_header(ours: Btf, marks: set[tuple[str, str]], kernel: Path) -> Report:
    theirs, report = Btf.load(kernel), Report()
    names = [n.removeprefix("check_") for n in ours.by_name if n.startswith("check_")]
    checked = 0
    flavours: dict[str, list[dict[str, str]]] = {}
    for name in names:
        local = ours.find(name, *DEFINED)
        assert local
        problems = check_type(ours, local, theirs)
        own = ours.resolve(local.id)
        checked += len(fields(ours, own)) + len(ours.enumerators(own))
        flavours.setdefault(plain(name), []).append(problems)
        for member, problem in problems.items():
            is_flavour = name != plain(name)
            optional = is_flavour or (name, "") in marks or (name, member) in marks
            report.add(problem + (f" ({name})" if is_flavour else ""), optional)
    for name, each in flavours.items():
        if name not in names and all(each) and (name, "") not in marks:
            report.add(f"{name}: none of its flavours fits", False)
    for name, value in ours.enum_values.items():
        if theirs.enum_values.get(name, value) != value:
            report.add(f"{name} is {theirs.enum_values[name]}, not {value}", False)
    report.print(checked, "fields", kernel)
    return report


# ---- Relocations ---------------------------------------------------------------------------------


def spell(local: Btf, relo: btf.Relocation) -> list[tuple[str, str]]:
    """The (type, member) of each named field on a relocation's path, which is made of indices."""
    at, path = local.resolve(relo.type_id), []
    for step in [int(i) for i in relo.access.split(":")][1:]:
        if at.kind == ARRAY:
            at = local.resolve(local.array(at)[0])
            continue
        member = local.members(at)[step]
        path += [(at.name, member.name)] if member.name else []
        at = local.resolve(member.type_id)
    return path


def check_relocation(local: Btf, relo: btf.Relocation, theirs: Btf) -> str | None:
    root = local.resolve(relo.type_id)
    name = plain(local.type(relo.type_id).name or root.name)
    if name == TYPE_IDS:
        wanted = local.enumerators(root)[int(relo.access)].removeprefix(TYPE_IDS_PREFIX)
        return None if theirs.find(wanted, STRUCT) else f"{wanted} is absent"
    target = theirs.find(name, root.kind) or theirs.find(name, TYPEDEF)
    if target is None:
        return f"{name} is absent"
    if relo.kind in (btf.ENUMVAL_EXISTS, btf.ENUMVAL_VALUE):
        value = plain(local.enumerators(root)[int(relo.access)])
        known = theirs.enumerators(theirs.resolve(target.id))
        return None if value in known else f"{name} has no {value}"
    if relo.kind > btf.TYPE_ID_LOCAL:
        return None
    return walk(local, root, theirs, target, [field for _, field in spell(local, relo)])


def questions(local: Btf, relos: list[btf.Relocation]) -> set[tuple[str, str]]:
    """The (type, path) that the program asks about before use; "" is the type as a whole."""
    asked = set()
    for relo in relos:
        name = local.type(relo.type_id).name
        if relo.kind in (btf.FIELD_EXISTS, btf.ENUMVAL_EXISTS):
            asked.add((name, relo.access))
        if relo.kind in (btf.TYPE_EXISTS, btf.TYPE_MATCHES):
            asked.add((name, ""))
    return asked


def is_optional(
    local: Btf,
    relo: btf.Relocation,
    asked: set[tuple[str, str]],
    marks: set[tuple[str, str]],
) -> bool:
    """Whether the object gets by without what a relocation names."""
    name = local.type(relo.type_id).name
    questions_about_it = {access for about, access in asked if about == name}
    if name != plain(name) or questions_about_it & {relo.access, ""}:
        return True
    # What is read where the answer to another question is no.
    is_field = relo.kind < btf.TYPE_ID_LOCAL
    return bool(questions_about_it) and is_field and not marks.isdisjoint(spell(local, relo))


def check_object(path: Path, marks: set[tuple[str, str]], kernel: Path) -> Report:
    local, relos = btf.relocations(path)
    theirs, report = Btf.load(kernel), Report()
    asked = questions(local, relos)
    for relo in relos:
        if relo.kind != btf.TYPE_ID_LOCAL:
            optional = is_optional(local, relo, asked, marks)
            report.add(check_relocation(local, relo, theirs), optional)
    report.print(len(relos), "relocations", kernel)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--relocations", type=Path, metavar="OBJECT")
    parser.add_argument("--header", type=Path, default=HEADER)
    parser.add_argument("btf", type=Path, nargs="*", default=[RUNNING])
    args = parser.parse_args()
    try:
        marks = marked(args.header)
        if args.relocations:
            reports = [check_object(args.relocations, marks, kernel) for kernel in args.btf]
        else:
            ours = compile_header(args.header)
            reports = [check_header(ours, marks, kernel) for kernel in args.btf]
    except (OSError, btf.BtfError, subprocess.CalledProcessError) as error:
        print(f"check.py: {error}", file=sys.stderr)
        return 1
    return 1 if any(report.errors for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
