"""Rules for fastconv/: which package may import which."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

# room -> rooms of fastconv it may import, its own always. "" is the package itself, the public interface.
MAY_IMPORT: dict[str, set[str]] = {
    "_native": set(),
    "runtime": {"_native"},
    "autotune": set(),
    "functional": {"_native", "runtime", "autotune"},
    "tuning": {"_native", "runtime", "autotune", "functional"},
    "graph": {"_native", "functional"},
    "nn": {"functional"},
    "models": {"nn"},
    "serialization": {"functional"},
    "inference": {"_native", "runtime", "functional", "graph", "nn"},
    "": {"_native", "runtime", "functional", "tuning", "nn", "models", "serialization", "inference"},
    "benchmark": {"", "_native", "runtime"},
    "cli": {"", "functional", "benchmark"},
    "__main__": {"cli"},
}
CYTHON_IMPORT = re.compile(r"^[ \t]*(?:from|c?import)[ \t]+(fastconv[\w.]*)", re.MULTILINE)


def room_of(path: Path) -> str:
    """Name the room of a file of the package: a folder, or a module beside the folders."""
    parts = path.with_suffix("").parts[1:]
    return "" if parts == ("__init__",) else parts[0]


def imported_modules(root: Path, path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every import; of ``from a import b`` a.b, if that is a module."""
    package = path.relative_to(root).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join((*base, *(node.module or "").split("."))).strip(".")
            for name in node.names:
                folder = root / origin.replace(".", "/") / name.name
                is_module = folder.is_dir() or folder.with_suffix(".py").is_file()
                # Whoever prints the version takes it from the package.
                if name.name != "__version__":
                    yield node.lineno, f"{origin}.{name.name}" if is_module else origin


def import_directions(root: Path) -> list[str]:
    """Arrows point down: functional imports _native; the command line uses the public interface only."""
    findings = []
    for path in sorted((root / "fastconv").rglob("*.py")):
        where = path.relative_to(root)
        room = room_of(where)
        if room not in MAY_IMPORT:
            findings.append(f"{where}:1: {room!r} is a new room: add it to tests/rules/python.py")
            continue
        for line, module in imported_modules(root, path):
            first, _, rest = module.partition(".")
            other = rest.partition(".")[0]
            if first == "fastconv" and other != room and other not in MAY_IMPORT[room]:
                findings.append(f"{where}:{line}: {room or 'fastconv'} must not import {module}")
    return findings


def binding_imports_nothing(root: Path) -> list[str]:
    """The binding knows nothing of the package above it."""
    findings = []
    for path in sorted((root / "fastconv/_native").glob("*.p*")):
        text = path.read_text()
        for match in CYTHON_IMPORT.finditer(text):
            if not match.group(1).startswith("fastconv._native"):
                line = text.count("\n", 0, match.start()) + 1
                findings.append(f"{path.relative_to(root)}:{line}: _native must not import {match.group(1)}")
    return findings
