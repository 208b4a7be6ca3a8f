"""What the site contains: the groups of the reference, and the pages written by hand.

A function that a pattern below covers is in the reference as soon as it is exported; for any other
tests/test_docs.py asks for a group.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

DOCS = Path(__file__).resolve().parent


class Group(NamedTuple):
    """A heading of the reference, the names under it as patterns of `fnmatch`, and a line on them."""

    title: str
    patterns: tuple[str, ...]
    line: str

    def members(self, names: Iterable[str]) -> list[str]:
        """Return the names that belong here, in alphabetical order."""
        return sorted(name for name in names if any(fnmatchcase(name, p) for p in self.patterns))


GROUPS = (
    Group("Convolution", ("conv?d", "explain"), "Sums of products over a sliding window."),
    Group("Measured choices", ("tuning.*",), 'What ``algorithm="autotune"`` of a convolution remembers.'),
    Group(
        "Transposed convolution",
        ("conv_transpose?d",),
        "The map whose matrix is a convolution's, transposed.",
    ),
    Group(
        "Pooling",
        ("max_pool?d", "avg_pool?d", "adaptive_*_pool?d", "max_unpool?d"),
        "Maxima and averages over windows, and maxima put back into their places.",
    ),
    Group("Normalisation", ("*_norm",), "Zero mean and unit variance over some of the axes."),
    Group("Linear map", ("linear",), "A matrix product along the last axis."),
    Group(
        "Activations",
        ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "hardswish", "softmax", "log_softmax"),
        "Functions of each element, and of a row of elements.",
    ),
    Group(
        "Windows and borders",
        ("pad", "unfold", "fold"),
        "Windows as columns, and what lies beyond the border.",
    ),
    Group(
        "Threads, instruction sets, memory",
        ("config", "?et_num_threads", "cache_info", "set_cache_limit", "show_config"),
        "What a call runs with.",
    ),
)


# Modules whose functions are called by the module's name.
MODULES = ("tuning",)


def public_names(package: ModuleType) -> list[str]:
    """Return the functions and classes that a package exports, those of MODULES as ``module.name``."""
    names = [name for name in package.__all__ if callable(getattr(package, name))]
    modules = [name for name in MODULES if name in package.__all__]
    return names + [f"{name}.{function}" for name in modules for function in getattr(package, name).__all__]


def homes(name: str) -> list[str]:
    """Return the titles of the groups that a name belongs to; it should be one."""
    return [group.title for group in GROUPS if group.members([name])]


def reference(package: ModuleType) -> str:
    """Return the page of the reference: a table a group, from which Sphinx writes a page a name."""
    names = public_names(package)
    lines = ["Reference", "=========", "", f"Everything below is in ``{package.__name__}`` itself.", ""]
    for group in GROUPS:
        if members := group.members(names):
            lines += [group.title, "-" * len(group.title), "", group.line, ""]
            lines += [f".. currentmodule:: {package.__name__}", "", ".. autosummary::"]
            lines += ["   :toctree:", "   :template: autosummary/base.rst", ""]
            lines += [f"   {name}" for name in members] + [""]
    return "\n".join(lines)


def pages() -> list[Path]:
    """List the pages that are written by hand."""
    return sorted(DOCS.rglob("*.md"))
