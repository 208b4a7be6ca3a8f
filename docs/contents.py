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
    Group("Compiled inference", ("compile", "Compiled"), "Whole networks by one native call."),
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
    Group("Files", ("save", "load"), "State dicts in safetensors and npz."),
)

MODULES = (
    Group("Base", ("Module", "Parameter"), "What every module is, and what it learns."),
    Group("Containers", ("Sequential", "Residual", "Concat"), "Modules made of modules."),
    Group("Convolution", ("Conv?d", "ConvTranspose?d"), "With weight and bias."),
    Group("Pooling", ("*Pool?d",), "Maxima and averages over windows."),
    Group("Normalisation", ("*Norm?d", "*Norm"), "With scale, shift and running statistics."),
    Group("Linear map", ("Linear",), "With weight and bias."),
    Group(
        "Activations",
        ("ReLU", "ReLU6", "LeakyReLU", "Sigmoid", "Tanh", "SiLU", "Hardswish", "Softmax"),
        "Functions of each element, and of a row of elements.",
    ),
    Group("Shape and noise", ("Flatten", "Identity", "Dropout"), "What has no parameters and no window."),
)

INITIAL_VALUES = (
    Group("Initial values", ("*_", "generator", "fan_in_and_out", "skip_init"), "Draws and constants."),
)

MODELS = (
    Group(
        "Classification",
        ("lenet5", "vgg*", "resnet*", "mobilenet*", "squeezenet*", "densenet*", "googlenet"),
        "A row of numbers for every image.",
    ),
    Group("Segmentation", ("unet",), "A row of numbers for every pixel."),
)


class Page(NamedTuple):
    """A page of the reference: the package that it is of, its heading, its groups."""

    package: str
    title: str
    groups: tuple[Group, ...]

    @property
    def file(self) -> str:
        """Name of the page, without an ending."""
        return "index" if self.package == "fastconv" else self.package.rpartition("fastconv.")[2]


REFERENCE = (
    Page("fastconv", "Reference", GROUPS),
    Page("fastconv.nn", "Modules", MODULES),
    Page("fastconv.nn.init", "Initial values", INITIAL_VALUES),
    Page("fastconv.models", "Models", MODELS),
)


# Modules whose functions are called by the module's name.
NAMESPACES = ("tuning",)


def public_names(package: ModuleType) -> list[str]:
    """Return the functions and classes that a package exports, those of NAMESPACES as ``module.name``."""
    names = [name for name in package.__all__ if callable(getattr(package, name))]
    modules = [name for name in NAMESPACES if name in package.__all__]
    return names + [f"{name}.{function}" for name in modules for function in getattr(package, name).__all__]


def homes(name: str, groups: tuple[Group, ...] = GROUPS) -> list[str]:
    """Return the titles of the groups that a name belongs to; it should be one."""
    return [group.title for group in groups if group.members([name])]


def reference(package: ModuleType, page: Page = REFERENCE[0]) -> str:
    """Return a page of the reference: a table a group, from which Sphinx writes a page a name."""
    names = public_names(package)
    lines = [page.title, "=" * len(page.title), ""]
    lines += [f"Everything below is in ``{package.__name__}`` itself.", ""]
    if page is REFERENCE[0]:
        lines += [".. toctree::", "   :maxdepth: 1", "", *(f"   {other.file}" for other in REFERENCE[1:]), ""]
    for group in page.groups:
        if members := group.members(names):
            lines += [group.title, "-" * len(group.title), "", group.line, ""]
            lines += [f".. currentmodule:: {package.__name__}", "", ".. autosummary::"]
            lines += ["   :toctree:", "   :template: autosummary/base.rst", ""]
            lines += [f"   {name}" for name in members] + [""]
    return "\n".join(lines)


def pages() -> list[Path]:
    """List the pages that are written by hand."""
    return sorted(DOCS.rglob("*.md"))
