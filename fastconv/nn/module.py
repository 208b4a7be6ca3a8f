"""What every module is: a function with parameters, which are found by the names of its attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from fastconv.functional.checks import arguments, arrays
from fastconv.functional.checks.annotations import Array, DTypeLike
from fastconv.nn import state
from fastconv.nn.parameter import Parameter

Self = TypeVar("Self", bound="Module")
Member = TypeVar("Member")
_KINDS = ("_parameters", "_buffers", "_modules")


class Module:
    """A part of a network: ``y = module(x)``.

    A subclass calls ``super().__init__()``, assigns its parts to attributes, and computes in `forward`. A
    `Parameter` or a `Module` that is assigned is registered under the attribute's name, and from then on
    found by `parameters`, `state_dict` and the like, whose names are those of PyTorch.

    Attributes
    ----------
    training : bool
        Whether batch norm takes statistics of the batch and dropout drops; set by `train` and `eval`.

    Notes
    -----
    Two kinds of modules:

    * A *leaf*, such as `Conv2d`, computes: its `forward` calls ``fastconv.functional``. It is known by its
      class.
    * A *composite*, such as `Sequential` or a model, connects: its `forward` uses nothing but child modules
      called on a value, ``+`` between two values, and child modules `Concat` and `Flatten` to join and to
      flatten. It does not look at a value: no shapes, no indexing, no functions.

    So a composite can be called with a symbolic value to find out what is connected with what: a value that
    has a method ``call_module(module, inputs, options)`` is asked before a module computes. What the method
    returns is the module's output; if it returns NotImplemented, `forward` goes on, with symbolic values in
    its turn.

    In evaluation mode a module may be called by several threads at once.

    Examples
    --------
    >>> from fastconv import nn
    >>> class Block(nn.Module):
    ...     def __init__(self, channels):
    ...         super().__init__()
    ...         self.conv = nn.Conv2d(channels, channels, 3, padding=1)
    ...         self.relu = nn.ReLU()
    ...     def forward(self, x):
    ...         return x + self.relu(self.conv(x))
    >>> block = Block(4)
    >>> block
    Block(
      (conv): Conv2d(4, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
      (relu): ReLU()
    )
    >>> [(name, parameter.shape) for name, parameter in block.named_parameters()]
    [('conv.weight', (4, 4, 3, 3)), ('conv.bias', (4,))]
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Array | None]
    _modules: dict[str, Module | None]
    # Buffers that `state_dict` leaves out.
    _transient: set[str]
    # Names that a state dict may lack, and beginnings of names that it may have over.
    _may_be_missing: frozenset[str] = frozenset()
    _may_be_left_over: tuple[str, ...] = ()

    def __init__(self) -> None:
        # Not by attributes, whose assignment looks into these.
        self.__dict__.update(training=True, _parameters={}, _buffers={}, _modules={}, _transient=set())

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Compute the output; a subclass says how."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        for value in (*inputs, *options.values()):
            if type(value) is not np.ndarray and hasattr(value, "call_module"):
                output = value.call_module(self, inputs, options)
                if output is not NotImplemented:
                    return output
                break
        return self.forward(*inputs, **options)

    def __getattr__(self, name: str) -> Any:
        # Only asked for what is no ordinary attribute; before __init__, as in unpickling, for the kinds too.
        for kind in _KINDS:
            members = self.__dict__.get(kind)
            if members is not None and name in members:
                return members[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._forget(name)
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name)
            self.register_module(name, value)
        elif name in self.__dict__.get("_parameters", ()):
            self.register_parameter(name, value)
        elif name in self.__dict__.get("_modules", ()):
            self.register_module(name, value)
        elif name in self.__dict__.get("_buffers", ()):
            self.register_buffer(name, value, persistent=name not in self._transient)
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if any(name in self.__dict__.get(kind, ()) for kind in _KINDS):
            self._forget(name)
        else:
            object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        members = [name for kind in _KINDS for name in self.__dict__.get(kind, ())]
        return sorted({*super().__dir__(), *members})

    def _forget(self, name: str) -> None:
        """Drop whatever has this name."""
        if "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {name!r} before Module.__init__() call")
        for members in (self.__dict__, self._parameters, self._buffers, self._modules):
            members.pop(name, None)
        self._transient.discard(name)

    def _register(self, kind: str, name: object, value: object, wanted: type) -> None:
        what = kind.strip("_").removesuffix("s")
        if kind not in self.__dict__:
            raise AttributeError(f"cannot assign {what} {name!r} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"name of a {what} must be a string, got {type(name).__name__}")
        if not name or "." in name:
            raise ValueError(f"name={name!r} of a {what} must not be empty or contain a dot")
        members = getattr(self, kind)
        if name not in members and hasattr(self, name):
            raise ValueError(f"name={name!r} of a {what} is taken: the attribute exists already")
        if value is not None and not isinstance(value, wanted):
            raise TypeError(
                f"{what} {name!r} must be of type {wanted.__name__} or None, got {type(value).__name__}"
            )
        members[name] = value

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name; None keeps the name, for a parameter that is not there."""
        self._register("_parameters", name, param, Parameter)

    def register_buffer(self, name: str, tensor: Array | None, persistent: bool = True) -> None:
        """Add an array that is not learned under a name; `state_dict` has it if it is persistent."""
        if tensor is not None and isinstance(tensor, np.ndarray):
            tensor = arrays.as_array(tensor, f"buffer {name!r}")
        self._register("_buffers", name, tensor, np.ndarray)
        (self._transient.discard if arguments.flag(persistent, "persistent") else self._transient.add)(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a child under a name; None keeps the name, for a child that is not there."""
        self._register("_modules", name, module, Module)

    add_module = register_module

    def get_submodule(self, target: str) -> Module:
        """Return the module of a name with dots, as `named_modules` gives it; "" is the module itself."""
        module: Module = self
        for name in target.split(".") if target else ():
            child = module._modules.get(name)
            if child is None:
                raise AttributeError(f"{type(module).__name__!r} object has no child {name!r} of {target!r}")
            module = child
        return module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the children with their names, each once."""
        yield from _once((name, child) for name, child in self._modules.items() if child is not None)

    def children(self) -> Iterator[Module]:
        """Yield the children, each once."""
        for _, child in self.named_children():
            yield child

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """Yield the module and all below it with their names, parents before children."""
        found = self._walk(prefix)
        yield from _once(found) if remove_duplicate else found

    def _walk(self, prefix: str) -> Iterator[tuple[str, Module]]:
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                yield from child._walk(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """Yield the module and all below it, parents before children, each once."""
        for _, module in self.named_modules():
            yield module

    def _named(self, kind: str, prefix: str, recurse: bool, once: bool) -> Iterator[tuple[str, Any]]:
        modules = self.named_modules(prefix, once) if recurse else iter([(prefix, self)])
        found = (
            (f"{where}.{name}" if where else name, member)
            for where, module in modules
            for name, member in getattr(module, kind).items()
            if member is not None
        )
        yield from _once(found) if once else found

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield the parameters with their names; of this module alone unless `recurse`."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters, each once; of this module alone unless `recurse`."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Array]]:
        """Yield the buffers, such as running statistics, with their names."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Array]:
        """Yield the buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def apply(self: Self, fn: Callable[[Module], object]) -> Self:
        """Call a function with each module below and then with this one; return this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self: Self, mode: bool = True) -> Self:
        """Set the training mode of this module and all below; return the module."""
        self.training = arguments.flag(mode, "mode")
        for child in self.children():
            child.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Set the evaluation mode of this module and all below; return the module."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Say of all parameters whether they are to be learned; return the module."""
        for parameter in self.parameters():
            parameter.requires_grad = arguments.flag(requires_grad, "requires_grad")
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self: Self, dtype: DTypeLike) -> Self:
        """Convert parameters and floating-point buffers to float32 or float64; return the module."""
        wanted = np.dtype(f"f{arguments.itemsize(dtype, 'dtype')}")
        for module in self.modules():
            for parameter in module._parameters.values():
                if parameter is not None:
                    parameter.data = parameter.data.astype(wanted, copy=False)
                    if parameter.grad is not None:
                        parameter.grad = parameter.grad.astype(wanted, copy=False)
            for name, buffer in module._buffers.items():
                if buffer is not None and buffer.dtype.kind == "f":
                    module._buffers[name] = buffer.astype(wanted, copy=False)
        return self

    def float(self: Self) -> Self:
        """Convert to float32; return the module."""
        return self.to(np.float32)

    def double(self: Self) -> Self:
        """Convert to float64; return the module."""
        return self.to(np.float64)

    def state_dict(self, prefix: str = "") -> dict[str, Array]:
        """Return the arrays of all parameters and persistent buffers by name; no copies.

        Parameters
        ----------
        prefix : str, default ""
            Put before every name.

        Returns
        -------
        dict of str to numpy.ndarray
            Names, order, shapes and types of PyTorch's.

        See Also
        --------
        fastconv.save : Write it into a file.
        """
        return {name: entry.array for name, entry in state.entries(self, prefix).items()}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> state.IncompatibleKeys:
        """Copy arrays into the parameters and buffers of the same names.

        Parameters
        ----------
        state_dict : mapping of str to array_like
            What `state_dict` gave, here or in PyTorch. Values are converted to the types of the module.
        strict : bool, default True
            Whether missing and unexpected names are an error. A missing ``num_batches_tracked`` is none: old
            files have none.
        assign : bool, default False
            Take the arrays themselves instead: parameters where a `Parameter` would keep them, with their
            type and without a gradient, buffers where they are writeable and of the buffer's type. The memory
            of the values before is free; there may be none, as after ``compile(..., release=True)``.

        Returns
        -------
        IncompatibleKeys
            Named tuple ``(missing_keys, unexpected_keys)``.

        Raises
        ------
        TypeError
            If it is no mapping, or a value holds no real numbers.
        ValueError
            If names or shapes do not match; it lists all of them. In either case nothing is changed.
        """
        flags = arguments.flag(strict, "strict"), arguments.flag(assign, "assign")
        return state.load(self, state_dict, *flags)

    def extra_repr(self) -> str:
        """Return what stands in the parentheses of the representation."""
        return ""

    def __repr__(self) -> str:
        own = self.extra_repr()
        children = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self._modules.items()]
        name = type(self).__name__
        if not children:
            return f"{name}({own})"
        return "\n  ".join([f"{name}(", *([own] if own else []), *children]) + "\n)"


def _once(found: Iterator[tuple[str, Member]]) -> Iterator[tuple[str, Member]]:
    """Leave out objects that came before under another name."""
    seen: set[int] = set()
    for name, member in found:
        if id(member) not in seen:
            seen.add(id(member))
            yield name, member
