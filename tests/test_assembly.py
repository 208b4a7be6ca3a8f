"""The inner loops of the register kernels keep their sums in registers: no vector goes to the stack."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

OBJECTS = Path(__file__).parents[1] / "build" / "native" / "src" / "isa"
KERNELS = re.compile(
    r"tile_\w+|depthwise|planar|pointwise|linear_\w+|moments_\w+|affine_planar|layer_norm|winograd_(?:in|out)put"
)
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(.*)$")
# A conditional jump backwards closes a loop; an unconditional one only returns from a rare branch.
JUMP = re.compile(r"j(?!mp)\w+\s+([0-9a-f]+)\b")
SPILL = re.compile(r"[xyz]mm.*\(%r[sb]p|\(%r[sb]p.*[xyz]mm")

Code = list[tuple[int, str]]


def functions(listing: str) -> Iterator[tuple[str, Code]]:
    """Split a disassembly into its functions."""
    name = ""
    code: Code = []
    for line in listing.splitlines():
        if head := re.match(r"^[0-9a-f]+ <(\w+)[.\w]*>:$", line):
            if code:
                yield name, code
            name, code = head[1], []
        elif found := INSTRUCTION.match(line):
            code.append((int(found[1], 16), found[2]))
    if code:
        yield name, code


def inner_loops(code: Code) -> list[Code]:
    """Return the bodies of the loops that hold no other loop."""
    ends = [
        (int(jump[1], 16), at) for at, text in code if (jump := JUMP.match(text)) and int(jump[1], 16) <= at
    ]
    inner = [
        loop for loop in ends if not any(o != loop and loop[0] <= o[0] and o[1] <= loop[1] for o in ends)
    ]
    return [[line for line in code if start <= line[0] <= end] for start, end in inner]


def spills(listing: str) -> dict[str, list[str]]:
    """Map each kernel to the stack accesses of vectors in its inner loops that multiply and add."""
    found: dict[str, list[str]] = {}
    for name, code in functions(listing):
        if KERNELS.fullmatch(name):
            hot = [body for body in inner_loops(code) if any("fmadd" in text for _, text in body)]
            found.setdefault(name, []).extend(text for body in hot for _, text in body if SPILL.search(text))
    return found


def disassemble(path: Path) -> str:
    """Return the listing of an object file."""
    if not shutil.which("objdump"):
        pytest.skip("needs objdump")
    if not path.exists():
        pytest.skip(f"{path.name} was not built here")
    command = ["objdump", "-d", "--no-show-raw-insn", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("unit", ["avx2_f32", "avx2_f64", "avx512_f32", "avx512_f64"])
def test_no_vector_is_spilled_in_an_inner_loop(unit: str) -> None:
    if "-O1" in (OBJECTS.parents[1] / "commands").read_text().split():
        pytest.skip("a sanitizer build is not optimised")
    found = spills(disassemble(OBJECTS / f"{unit}.o"))
    assert len(found) > 10, "the kernels were renamed: this test reads nothing"
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_spill_is_found() -> None:
    listing = """
0000000000000010 <tile_blocked_1_1_14_2>:
      10:\tvmovups %zmm1,0x40(%rsp)
      18:\tvfmadd231ps %zmm0,%zmm1,%zmm2
      20:\tvmovups 0x40(%rsp),%zmm1
      28:\tjne    18 <tile_blocked_1_1_14_2+0x8>
"""
    assert spills(listing) == {"tile_blocked_1_1_14_2": ["vmovups 0x40(%rsp),%zmm1"]}
