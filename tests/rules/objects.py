"""Rules for what was compiled: the objects of src/isa and the commands that made them, in build/native."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

OBJECTS = "build/native"
# What a compiler calls of its own accord; anything else means that a kernel left its registers.
COMPILER_CALLS = {"memcpy", "memmove", "memset", "memcmp", "_GLOBAL_OFFSET_TABLE_"}
SANITIZER = re.compile(r"_*(?:asan|ubsan|odr_asan)_\w*|__odr_asan[\w.]*")
# -g1 and -O1 come with the sanitizers only.
LEAKED = re.compile(r" (-g\d?|-fwrapv|-fno-strict-overflow|-ffast-math|-Ofast|-funsafe-math-\w+)(?= |$)")


def isa_objects(root: Path) -> list[Path]:
    """List the objects of the instruction sets; select.c belongs to the core."""
    return sorted((root / OBJECTS / "src/isa").glob("*_f[36][24].o"))


def symbols(path: Path) -> tuple[set[str], set[str]]:
    """Return the global symbols an object defines and those it needs, without the sanitizers'."""
    nm = shutil.which("nm") or "nm"
    output = subprocess.run([nm, "-P", "-g", path], capture_output=True, text=True, check=True).stdout
    defined: set[str] = set()
    needed: set[str] = set()
    for line in output.splitlines():
        name, kind = line.split()[:2]
        if not SANITIZER.fullmatch(name):
            (needed if kind in "Uvw" else defined).add(name)
    return defined, needed


def objects_export_one_table(root: Path) -> list[str]:
    """A second symbol could replace its namesake of another ISA when linking, and crash older machines."""
    findings = []
    for path in isa_objects(root):
        defined, _ = symbols(path)
        if len(defined) != 1:
            names = ", ".join(sorted(defined)) or "nothing"
            findings.append(f"{path.relative_to(root)}:1: exports {names}; it should be one table")
    return findings


def objects_call_nothing(root: Path) -> list[str]:
    """Registers only: one thread, no allocation, no library."""
    findings = []
    for path in isa_objects(root):
        _, needed = symbols(path)
        if extra := needed - COMPILER_CALLS:
            names = ", ".join(sorted(extra))
            findings.append(f"{path.relative_to(root)}:1: calls {names}; kernels call nothing")
    return findings


def own_flags_only(root: Path) -> list[str]:
    """No flag of the interpreter's own build, nor one that changes the arithmetic of the process."""
    path = root / OBJECTS / "commands"
    if not path.exists():
        return []
    return [
        f"{path.relative_to(root)}:{number}: {' '.join(flags)} is not ours"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "-fsanitize=" not in line and (flags := LEAKED.findall(line))
    ]
