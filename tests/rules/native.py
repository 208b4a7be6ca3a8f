"""Rules for src/: which room may include which, and which calls belong to one file only."""

from __future__ import annotations

import re
from pathlib import Path

from rules.sources import INCLUDE, c_files, code, functions, line_of, search, without_comments

# room -> what of src/ it must not include; a room is a folder, or a file that stands beside the folders.
REGISTERS_ONLY = {"plan", "ops", "parallel", "workspace"}
MUST_NOT_INCLUDE = {
    "kernels": REGISTERS_ONLY | {"isa"},
    "isa": REGISTERS_ONLY | {"isa"},
    "plan": {"ops", "isa", "kernels", "simd", "parallel", "workspace"},
    "ops": {"isa", "kernels", "simd"},
    "kernels.h": REGISTERS_ONLY | {"isa", "kernels", "simd"},
    "simd": REGISTERS_ONLY | {"isa", "kernels", "kernels.h"},
    "parallel": {"plan", "ops", "isa", "kernels", "simd"},
    "workspace": {"plan", "ops", "isa", "kernels", "simd"},
}
# And what the lowest rooms may include, so that a new file beside them is not let in by accident.
MAY_INCLUDE = {
    "kernels": {"kernels", "kernels.h", "simd"},
    "isa": {"kernels", "kernels.h", "simd"},
}

OPENMP = re.compile(r"\bomp_\w+|<omp\.h>|#\s*pragma\s+omp\b|_Pragma\s*\(\s*\"omp\b")
ALLOCATION = re.compile(
    r"\b(?:malloc|calloc|realloc|reallocarray|free|posix_memalign|aligned_alloc|_aligned_malloc|_aligned_free"
    r"|alloca|mmap|munmap|VirtualAlloc)\s*\("
)
PROCESS = re.compile(r"\b(?:v?f?printf|f?puts|putchar|perror|exit|_exit|abort|getenv|setenv|putenv)\s*\(")
PYTHON = re.compile(r"[<\"]Python\.h[>\"]|\bPy(?:Object|_\w+|Gil\w*)\b")
INTRINSIC = re.compile(r"\b_mm\d*_\w+|<\w*intrin\.h>|<arm_neon\.h>|\bv(?:ld|st)\d\w*_f(?:32|64)\b")
CONDITION = re.compile(r"^[ \t]*#[ \t]*(if|ifdef|ifndef|endif)\b[ \t]*(\w*)", re.MULTILINE)
DATA = re.compile(r"\bfc_(?:block_acquire|block_release|parallel)\b")
ALGORITHM_ROOMS = {"plan", "ops", "kernels", "isa"}
MAX_PARAMETERS = 7


def outside(root: Path, door: str) -> list[Path]:
    """List the C files other than the one door to something."""
    return [path for path in c_files(root) if room_of(path.relative_to(root / "src")) != door]


def room_of(path: Path) -> str:
    """Name the room of a path relative to src/."""
    if len(path.parts) > 1:
        return path.parts[0]
    # kernels.h is the contract, kernels/ the room below it: the one file that needs its suffix.
    return "kernels.h" if path.name == "kernels.h" else path.stem


def include_directions(root: Path) -> list[str]:
    """Arrows point down: plan and ops use the contract, only isa/ sees the kernels."""
    source = (root / "src").resolve()
    findings = []
    for path in c_files(root):
        room = room_of(path.relative_to(root / "src"))
        text = without_comments(path)
        for match in INCLUDE.finditer(text):
            where = f"{path.relative_to(root)}:{line_of(text, match.start())}"
            candidates = [(path.parent / match.group(1)).resolve(), (source / match.group(1)).resolve()]
            target = next((file for file in candidates if file.is_file()), None)
            if target is None or not target.is_relative_to(source):
                findings.append(f'{where}: "{match.group(1)}" is no file under src/')
                continue
            other = room_of(target.relative_to(source))
            allowed = MAY_INCLUDE.get(room)
            if other in MUST_NOT_INCLUDE.get(room, ()) or (allowed is not None and other not in allowed):
                findings.append(f'{where}: {room} must not include "{match.group(1)}" ({other})')
    return findings


def openmp_behind_one_door(root: Path) -> list[str]:
    """Only parallel.* knows OpenMP."""
    return [
        finding
        for path in outside(root, "parallel")
        for finding in search(root, path, without_comments(path), OPENMP, "OpenMP belongs to src/parallel.*")
    ]


def allocation_in_workspace(root: Path) -> list[str]:
    """Only workspace.* allocates."""
    return [
        finding
        for path in outside(root, "workspace")
        for finding in search(root, path, code(path), ALLOCATION, "allocation belongs to src/workspace.*")
    ]


def plans_touch_no_data(root: Path) -> list[str]:
    """A plan is a pure function of shapes, whatever its includes would let it call."""
    return [
        finding
        for path in c_files(root)
        if room_of(path.relative_to(root / "src")) == "plan"
        for finding in search(root, path, code(path), DATA, "a plan allocates nothing and runs nothing")
    ]


def no_process_calls(root: Path) -> list[str]:
    """A library prints nothing, ends nothing and reads no environment."""
    message = "src/ reports by status; printing, ending and the environment are for callers"
    return [finding for path in c_files(root) for finding in search(root, path, code(path), PROCESS, message)]


def no_python(root: Path) -> list[str]:
    """The C library does not know Python."""
    message = "src/ does not know Python; the binding is fastconv/_native"
    return [
        finding
        for path in c_files(root)
        for finding in search(root, path, without_comments(path), PYTHON, message)
    ]


def intrinsics_in_simd(root: Path) -> list[str]:
    """Only simd.h has intrinsics; kernels use the vector extensions."""
    return [
        finding
        for path in outside(root, "simd")
        for finding in search(root, path, code(path), INTRINSIC, "intrinsics belong to src/simd.h")
    ]


def isa_units_hold_no_code(root: Path) -> list[str]:
    """A unit of isa/ defines names and sizes and includes kernels; code in it would be a copy per ISA."""
    return [
        f"{path.relative_to(root)}:{number}: {line.strip()}: a unit of isa/ has nothing but directives"
        for path in sorted((root / "src/isa").glob("*_f[36][24].c"))
        for number, line in enumerate(without_comments(path).splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]


def no_nested_conditions(root: Path) -> list[str]:
    """One text per algorithm; differences of machine and system live behind the doors beside the rooms."""
    findings = []
    for path in c_files(root):
        if room_of(path.relative_to(root / "src")) not in ALGORITHM_ROOMS:
            continue
        text = without_comments(path)
        guards: list[bool] = []
        for match in CONDITION.finditer(text):
            if match.group(1) == "endif":
                guards.pop()
                continue
            guards.append(match.group(1) == "ifndef" and match.group(2).endswith("_H"))
            if guards.count(False) > 1:
                findings.append(f"{path.relative_to(root)}:{line_of(text, match.start())}: nested #if")
    return findings


def few_parameters(root: Path) -> list[str]:
    """More than seven parameters means a struct is missing."""
    return [
        f"{path.relative_to(root)}:{function.line}: {function.name} has {function.parameters} parameters: "
        f"more than {MAX_PARAMETERS} means a struct is missing"
        for path in c_files(root)
        for function in functions(path)
        if function.parameters > MAX_PARAMETERS
    ]
