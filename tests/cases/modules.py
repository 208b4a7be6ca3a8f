"""Modules with their arguments and an input, each as ``torch.nn`` has it too."""

from __future__ import annotations

from typing import Any, NamedTuple


class ModuleCase(NamedTuple):
    """A class of ``fastconv.nn``, its arguments, an input's shape; the name says what is special."""

    name: str
    kind: str
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012
    input: tuple[int, ...] = (2, 4, 6, 7)

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}"

    def make(self, package: Any) -> Any:
        """Make the module of ``fastconv.nn`` or ``torch.nn``."""
        return getattr(package, self.kind)(*self.arguments, **self.options)


def _convolutions() -> list[ModuleCase]:
    cases = []
    for rank in (1, 2, 3):
        shape = (2, 4, *(6, 7, 5)[:rank])
        kind, kernel = f"Conv{rank}d", (3, 2, 1)[:rank]
        cases += [
            ModuleCase("plain", kind, (4, 6, 3), {}, shape),
            ModuleCase("unbatched", kind, (4, 6, 3), {}, shape[1:]),
            ModuleCase("every_argument", kind, (4, 6, kernel, 2, 1, 2, 2, False), {}, shape),
            ModuleCase("same", kind, (4, 6, kernel), {"padding": "same", "dilation": 2}, shape),
            ModuleCase("valid", kind, (4, 6, 3), {"padding": "valid"}, shape),
        ]
        for mode in ("reflect", "replicate", "circular"):
            cases.append(ModuleCase(mode, kind, (4, 6, 3, 2, 2), {"padding_mode": mode}, shape))
            cases.append(
                ModuleCase(
                    f"{mode}_same", kind, (4, 6, kernel), {"padding": "same", "padding_mode": mode}, shape
                )
            )
        kind = f"ConvTranspose{rank}d"
        cases += [
            ModuleCase("plain", kind, (4, 6, 3), {}, shape),
            ModuleCase("unbatched", kind, (4, 6, 3), {}, shape[1:]),
            ModuleCase("every_argument", kind, (4, 6, 3, 2, 1, 1, 2, False, 2), {}, shape),
        ]
    return cases


def _pools() -> list[ModuleCase]:
    cases = []
    for rank in (1, 2, 3):
        shape = (2, 4, *(6, 7, 5)[:rank])
        for kind in (f"MaxPool{rank}d", f"AvgPool{rank}d"):
            cases += [
                ModuleCase("plain", kind, (2,), {}, shape),
                ModuleCase("unbatched", kind, (2,), {}, shape[1:]),
                ModuleCase("tuples", kind, ((3,) * rank, (2,) * rank, (1,) * rank), {}, shape),
                ModuleCase("list", kind, ([3] * rank,), {}, shape),
                ModuleCase("ceil_mode", kind, (3, 2, 1), {"ceil_mode": True}, shape),
            ]
        cases += [
            ModuleCase("every_argument", f"MaxPool{rank}d", (2, 1, 1, 2, True, True), {}, shape),
            ModuleCase("exclude_pad", f"AvgPool{rank}d", (3, 2, 1, True, False), {}, shape),
            ModuleCase("number", f"AdaptiveAvgPool{rank}d", (3,), {}, shape),
            ModuleCase("tuple", f"AdaptiveAvgPool{rank}d", ((2,) * rank,), {}, shape),
        ]
    return [
        *cases,
        ModuleCase("divisor", "AvgPool2d", (2,), {"divisor_override": 3}),
        ModuleCase("divisor", "AvgPool3d", (2, 1, 0, False, True, 5), {}, (2, 4, 4, 5, 6)),
        ModuleCase("kept_axis", "AdaptiveAvgPool2d", ((None, 2),)),
    ]


def _norms() -> list[ModuleCase]:
    cases = []
    for kind, shape in (
        ("BatchNorm1d", (5, 4)),
        ("BatchNorm1d", (3, 4, 6)),
        ("BatchNorm2d", (2, 4, 6, 7)),
        ("BatchNorm3d", (2, 4, 3, 4, 5)),
        ("InstanceNorm1d", (2, 4, 6)),
        ("InstanceNorm1d", (4, 6)),
        ("InstanceNorm2d", (2, 4, 6, 7)),
        ("InstanceNorm2d", (4, 6, 7)),
        ("InstanceNorm3d", (2, 4, 3, 4, 5)),
        ("InstanceNorm3d", (4, 3, 4, 5)),
    ):
        for name, options in (
            ("plain", {}),
            ("cumulative", {"momentum": None, "track_running_stats": True}),
            ("tracked", {"affine": True, "track_running_stats": True, "momentum": 0.3, "eps": 1e-3}),
            ("untracked", {"affine": False, "track_running_stats": False}),
            ("no_bias", {"affine": True, "bias": False}),
        ):
            cases.append(ModuleCase(f"{name}_{len(shape)}_axes", kind, (4,), options, shape))
    return [
        *cases,
        ModuleCase("plain", "GroupNorm", (2, 4)),
        ModuleCase("not_affine", "GroupNorm", (4, 4, 1e-3, False)),
        ModuleCase("no_bias", "GroupNorm", (4, 4), {"bias": False}),
        ModuleCase("number", "LayerNorm", (7,)),
        ModuleCase("two_axes", "LayerNorm", ((6, 7), 1e-3)),
        ModuleCase("list_not_affine", "LayerNorm", ([7], 1e-5, False)),
        ModuleCase("no_bias", "LayerNorm", (7, 1e-5, True, False)),
    ]


def _others() -> list[ModuleCase]:
    inplace = ("ReLU", "ReLU6", "SiLU", "Hardswish", "LeakyReLU")
    return [
        *(ModuleCase("plain", kind) for kind in (*inplace, "Sigmoid", "Tanh", "Identity", "Flatten")),
        *(ModuleCase("inplace", kind, (), {"inplace": True}) for kind in inplace),
        ModuleCase("slope", "LeakyReLU", (0.2,)),
        ModuleCase("last", "Softmax", (-1,)),
        ModuleCase("channels", "Softmax", (), {"dim": 1}),
        ModuleCase("plain", "Linear", (7, 3)),
        ModuleCase("no_bias", "Linear", (7, 3, False)),
        ModuleCase("one_axis", "Linear", (7, 3), {}, (7,)),
        ModuleCase("any_arguments", "Identity", (54,), {"unused": True}),
        ModuleCase("middle", "Flatten", (1, 2)),
        ModuleCase("everything", "Flatten", (0,)),
        ModuleCase("no_axes", "Flatten", (0,), {}, ()),
        ModuleCase("empty", "Flatten", (), {}, (0, 3, 4)),
        ModuleCase("plain", "Dropout"),
        ModuleCase("every_argument", "Dropout", (0.2, True)),
    ]


MODULE_CASES = [*_convolutions(), *_pools(), *_norms(), *_others()]
