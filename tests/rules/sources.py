"""Reading C for the rules: files, text without comments, includes, functions. Enough for tidy C."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


class Function(NamedTuple):
    """A C function definition."""

    name: str
    line: int
    length: int
    parameters: int


def c_files(root: Path) -> list[Path]:
    """List the C sources and headers under src/."""
    return sorted((root / "src").rglob("*.[ch]"))


def blank(match: re.Match[str]) -> str:
    """Replace by as many lines, so that line numbers stay."""
    return " " + "\n" * match.group().count("\n")


def without_comments(path: Path) -> str:
    """Return the text of a C file without its comments."""
    return COMMENT.sub(blank, path.read_text())


def code(path: Path) -> str:
    """Return the text of a C file without comments and strings."""
    return STRING.sub('""', without_comments(path))


def line_of(text: str, position: int) -> int:
    """Return the line number of a position."""
    return text.count("\n", 0, position) + 1


def search(root: Path, path: Path, text: str, pattern: re.Pattern[str], message: str) -> Iterator[str]:
    """Yield a finding for every match of a pattern."""
    for match in pattern.finditer(text):
        where = f"{path.relative_to(root)}:{line_of(text, match.start())}"
        yield f"{where}: {match.group().strip()}: {message}"


def functions(path: Path) -> Iterator[Function]:
    """Yield the functions a C file defines: blocks at the outer level after a closing parenthesis."""
    text = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", blank, code(path), flags=re.MULTILINE)
    depth, start = 0, 0
    head: re.Match[str] | None = None
    for brace in re.finditer(r"[{};]", text):
        if brace.group() == "{":
            if depth == 0:
                head = re.search(r"(\w+)\s*\(((?:[^()]|\([^()]*\))*)\)\s*$", text[start : brace.start()])
            depth += 1
        elif brace.group() == "}":
            depth -= 1
            if depth == 0 and head:
                first, last = line_of(text, start + head.start()), line_of(text, brace.start())
                parameters = re.sub(r"\([^()]*\)", "", head.group(2)).count(",") + 1
                yield Function(head.group(1), first, last - first + 1, parameters)
        if depth == 0:
            start = brace.end()
