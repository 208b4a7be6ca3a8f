"""Check what is in a wheel: ``python .ci/check_wheel.py fastconv-...whl``."""

from __future__ import annotations

import sys
from pathlib import Path
from zipfile import ZipFile

MAX_BYTES = 2 * 2**20
SOURCES = (".c", ".h", ".pyx", ".pxi", ".pxd", ".o", ".a")
NEEDED = ("fastconv/py.typed", "fastconv/_native/core.pyi", "fastconv/_native/core.abi3.so")
FOLDERS = ("fastconv/", "fastconv.libs/", "fastconv-")


def findings(wheel: Path) -> list[str]:
    """Return what is wrong with a wheel."""
    names = ZipFile(wheel).namelist()
    found = [f"{name} does not belong into a wheel" for name in names if name.endswith(SOURCES)]
    found += [f"{name} is outside the package" for name in names if not name.startswith(FOLDERS)]
    found += [f"{name} is missing" for name in NEEDED if name not in names]
    if wheel.stat().st_size > MAX_BYTES:
        found.append(f"{wheel.stat().st_size} bytes are more than {MAX_BYTES}")
    if "-cp311-abi3-manylinux_2_34_" not in wheel.name:
        found.append(f"{wheel.name} should be tagged cp311-abi3-manylinux_2_34")
    return found


if __name__ == "__main__":
    path = Path(sys.argv[1])
    problems = findings(path)
    print("\n".join(problems) or f"{path.name}: {path.stat().st_size / 2**20:.2f} MiB")
    sys.exit(bool(problems))
