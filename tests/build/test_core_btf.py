# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The few types that libbpf gets in place of all the running kernel's are equal to the kernel's."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "vmlinux"))

from btf import STRUCT, UNION, Btf, Type  # noqa: E402

KERNEL, OBJECT = Path("/sys/kernel/btf/vmlinux"), TOP / "build/bpf/tcpdwell.linked.o"
MAIN = """
#include <bpf/btf.h>

#include "kernel/core_btf.h"

int main(int argc, char **argv)
{
	struct btf *kernel = btf__parse(argv[1], NULL), *object = btf__parse(argv[2], NULL);
	int err = argc != 3 || !kernel || !object || core_btf_write(1, kernel, object);

	btf__free(object);
	btf__free(kernel);
	return err;
}
"""


@pytest.fixture(name="file", scope="module")
def fixture_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns what core_btf_write() makes of the running kernel's types."""
    folder = tmp_path_factory.mktemp("core_btf")
    source, program, file = folder / "main.c", folder / "main", folder / "types"
    source.write_text(MAIN)
    flags = ["-g", "-fsanitize=address,undefined", "-D_GNU_SOURCE", f"-I{TOP}/user"]
    code = TOP / "user/kernel/core_btf.c"
    subprocess.run(["cc", *flags, "-o", program, source, code, "-lbpf"], check=True)
    with open(file, "wb") as out:
        subprocess.run([program, KERNEL, OBJECT], stdout=out, check=True)
    return file


def layout(types: Btf, t: Type) -> list[tuple[str, int, int, int]]:
    """Returns name, offset, kind and size of each member."""
    places = struct.iter_unpack("<8xI", types.data[t.offset : t.offset + 12 * t.vlen])
    inner = [types.resolve(member.type_id) for member in types.members(t)]
    return [(member.name, place, one.kind, types.size(one))
            for member, (place,), one in zip(types.members(t), places, inner)]


def test_every_relocation_is_made(file: Path) -> None:
    check = subprocess.run([TOP / "vmlinux/check.py", "--relocations", OBJECT, KERNEL, file],
                           stdout=subprocess.PIPE, text=True, check=True)
    whole, few = (line.partition(": ")[2] for line in check.stdout.splitlines() if ": " in line)
    assert few == whole


def test_structures_are_laid_out_alike(file: Path) -> None:
    kernel, few = Btf.load(KERNEL), Btf.load(file)
    named = [t for t in map(few.type, range(1, len(few.index)))
             if t.name and t.kind in (STRUCT, UNION)]
    assert {"sock", "task_struct", "net"} <= {t.name for t in named}
    for t in named:
        # Several types may have one name; then all of them are here.
        originals = [kernel.type(i) for i in kernel.by_name[t.name]]
        assert (t.size_or_type, layout(few, t)) in [
            (one.size_or_type, layout(kernel, one)) for one in originals if one.kind == t.kind]


def test_ids_are_those_of_the_kernel(file: Path) -> None:
    kernel, few = Btf.load(KERNEL), Btf.load(file)
    ids = {name.removeprefix("BTF_ID_"): value for name, value in few.enum_values.items()
           if name.startswith("BTF_ID_")}
    assert set(ids) >= {"sock", "task_struct"}
    for name, value in ids.items():
        found = kernel.find(name, STRUCT)
        assert found and found.id == value


def test_they_are_few(file: Path) -> None:
    assert file.stat().st_size * 20 < KERNEL.stat().st_size
    assert len(Btf.load(file).index) * 20 < len(Btf.load(KERNEL).index)
