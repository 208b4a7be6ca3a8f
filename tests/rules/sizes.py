"""Rules for every language: length of files and functions, names that say nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from rules.sources import c_files, functions

MAX_FILE = 400
MAX_FUNCTION = 60
FOLDERS = ("fastconv", "src", "tests", "bench", "docs")
SUFFIXES = {".py", ".pyi", ".pyx", ".pxi", ".pxd", ".c", ".h"}
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "common", "manager", "misc"}
CYTHON_FUNCTION = re.compile(r"([ ]*)(?:def|cdef|cpdef)\b[^=]*?(\w+)\(")


def source_files(root: Path) -> list[Path]:
    """List the source files of the project."""
    files = [path for folder in FOLDERS for path in (root / folder).rglob("*") if path.suffix in SUFFIXES]
    return sorted(files) + [path for path in (root / "setup.py",) if path.exists()]


def short_files(root: Path) -> list[str]:
    """A file over 400 lines asks to be split."""
    return [
        f"{path.relative_to(root)}:{count}: {count} lines; a file over {MAX_FILE} asks to be split"
        for path in source_files(root)
        if (count := len(path.read_text().splitlines())) > MAX_FILE
    ]


def python_functions(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, line and length of the functions of a Python file; a docstring is not counted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if ast.get_docstring(node) is not None:
            text = node.body[0]
            length -= (text.end_lineno or text.lineno) - text.lineno + 1
        yield node.name, node.lineno, length


def cython_functions(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, line and length of the functions of a Cython file, by indentation."""
    lines = path.read_text().splitlines()
    for start, line in enumerate(lines):
        match = CYTHON_FUNCTION.match(line)
        if not match:
            continue
        last = start
        for number in range(start + 1, len(lines)):
            text = lines[number].strip()
            indent = len(lines[number]) - len(lines[number].lstrip())
            if text and indent <= len(match.group(1)) and not text.startswith(")"):
                break
            if text:
                last = number
        yield match.group(2), start + 1, last - start + 1


def short_functions(root: Path) -> list[str]:
    """A function over 60 lines asks to be split."""
    found: list[tuple[Path, str, int, int]] = []
    for path in source_files(root):
        if path.suffix == ".py":
            found += [(path, *function) for function in python_functions(path)]
        elif path.suffix in {".pyx", ".pxi"}:
            found += [(path, *function) for function in cython_functions(path)]
    for path in c_files(root):
        found += [(path, function.name, function.line, function.length) for function in functions(path)]
    return [
        f"{path.relative_to(root)}:{line}: {name} has {length} lines; "
        f"a function over {MAX_FUNCTION} asks to be split"
        for path, name, line, length in found
        if length > MAX_FUNCTION
    ]


def words(name: str) -> set[str]:
    """Split an identifier into its lower-case words."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def telling_names(root: Path) -> list[str]:
    """Field terms only: a name like utils says nothing about what is inside."""
    findings = []
    for path in source_files(root):
        where = path.relative_to(root)
        names = [(1, part) for part in where.with_suffix("").parts]
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    names.append((node.lineno, node.name))
        elif path.suffix in {".c", ".h"}:
            names += [(function.line, function.name) for function in functions(path)]
        findings += [
            f"{where}:{line}: {name!r} says nothing; use a term of the field"
            for line, name in names
            if words(name) & EMPTY_WORDS
        ]
    return findings
