"""What a call runs with: instruction set, threads, whether by Winograd, and the bound of the output cache.

Two levels. The process has one instruction set and one number of threads, read from the environment at
import; `set_num_threads` changes the latter. A `config` block overrides them for the code inside it, in its
own thread or asynchronous task only: it lives in a context variable and wins over the process.
"""

from __future__ import annotations

import operator
import os
from contextvars import ContextVar
from types import TracebackType
from typing import NamedTuple

from fastconv._native import core as native

MAX_THREADS = 1024
MAX_DIGITS = 20


class Settings(NamedTuple):
    """Immutable choice; ``None`` leaves an entry to the process. `outer` is what held before."""

    isa: int | None = None
    num_threads: int | None = None
    winograd: bool | None = None
    outer: Settings | None = None


class CacheInfo(NamedTuple):
    """State of the output cache, in bytes: what it may keep and what it keeps now."""

    limit: int
    idle: int


def _supported() -> list[str]:
    return [name for index, name in enumerate(native.ISA_NAMES) if native.isa_supported(index)]


def _isa_index(name: object, what: str) -> int:
    if not isinstance(name, str):
        raise TypeError(f"{what} must be a string, got {type(name).__name__}")
    if name not in native.ISA_NAMES:
        raise ValueError(
            f"{what}={name!r} is no instruction set of this build, which has {', '.join(native.ISA_NAMES)}"
        )
    index = native.ISA_NAMES.index(name)
    if not native.isa_supported(index):
        raise ValueError(f"{what}={name!r} is beyond this CPU, which supports {', '.join(_supported())}")
    return index


def _integer(value: object, what: str, minimum: int, maximum: int) -> int:
    try:
        # NumPy's bool is told by its name, for this module needs nothing else of NumPy.
        if isinstance(value, bool) or type(value).__name__ == "bool_":
            raise TypeError
        number = int(operator.index(value))  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{what} must be an integer, got a value of type {type(value).__name__}") from None
    if not minimum <= number <= maximum:
        size = str(number) if number.bit_length() <= 128 else f"(an integer of {number.bit_length()} bits)"
        raise ValueError(f"{what}={size} is out of range: it must be from {minimum} to {maximum}")
    return number


def _thread_count(value: object, what: str) -> int:
    return _integer(value, what, 1, MAX_THREADS)


def _environment_integer(name: str) -> int | None:
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    # isdecimal alone also takes other scripts' digits; int() would take "1_0" and "+1".
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{name}={text!r} must be a whole number")
    if len(text) > MAX_DIGITS:
        raise ValueError(f"{name} must be a number of at most {MAX_DIGITS} digits, got {len(text)}")
    return int(text)


def _from_environment() -> tuple[int, int, bool]:
    """Return the process's ``(isa, threads, winograd)``; a bad value is an ImportError."""
    try:
        isa = os.environ.get("FASTCONV_ISA", "").strip()
        names = _supported()
        index = _isa_index(isa, "FASTCONV_ISA") if isa else native.ISA_NAMES.index(names[-1])
        threads = _environment_integer("FASTCONV_NUM_THREADS")
        if threads is None:
            threads = min(native.default_threads(), MAX_THREADS)
        count = _thread_count(threads, "FASTCONV_NUM_THREADS")
        winograd = _environment_integer("FASTCONV_WINOGRAD")
        if winograd not in (None, 0, 1):
            raise ValueError(f"FASTCONV_WINOGRAD={winograd} must be 0 or 1")
        megabytes = _environment_integer("FASTCONV_CACHE_MB")
        if megabytes is not None:
            native.set_cache_limit(_integer(megabytes, "FASTCONV_CACHE_MB", 0, 2**40) << 20)
    except ValueError as error:
        raise ImportError(f"fastconv cannot be imported: {error}") from None
    return index, count, winograd != 0


_process_run = _from_environment()
_context: ContextVar[Settings | None] = ContextVar("fastconv_settings", default=None)


def native_run() -> tuple[int, int, bool]:
    """Return ``(isa, threads, winograd)`` for a native call made now."""
    settings = _context.get()
    if settings is None:
        return _process_run
    isa, threads, winograd = _process_run
    return (
        isa if settings.isa is None else settings.isa,
        threads if settings.num_threads is None else settings.num_threads,
        winograd if settings.winograd is None else settings.winograd,
    )


def set_num_threads(n: int) -> None:
    """Set the most threads that a call may use, for the whole process.

    Results have the same bits for any number of threads, except those of ``algorithm="autotune"``; small
    problems use one whatever is set here.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Raises
    ------
    TypeError, ValueError
        If `n` is no integer or out of range.

    See Also
    --------
    config : The same for one block of code; it wins over the number set here.

    Examples
    --------
    >>> import fastconv as fc
    >>> before = fc.get_num_threads()
    >>> fc.set_num_threads(1)
    >>> fc.get_num_threads()
    1
    >>> fc.set_num_threads(before)
    """
    global _process_run
    _process_run = (_process_run[0], _thread_count(n, "n"), _process_run[2])


def get_num_threads() -> int:
    """Return the most threads that a call made here and now may use.

    Returns
    -------
    int
        That of the innermost `config` block which sets it, else that of the process. At import it is the
        least of OpenMP's maximum, the CPU affinity and the cgroup quota, or ``FASTCONV_NUM_THREADS``.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.get_num_threads() >= 1
    True
    """
    return native_run()[1]


class config:
    """Override settings for a block of code, in this thread or asynchronous task only.

    Parameters
    ----------
    num_threads : int, optional
        Most threads, from 1 to 1024.
    isa : str, optional
        Instruction set: ``"generic"``, ``"avx2"``, ``"avx512"`` or ``"neon"``, where compiled in and
        supported by the CPU.
    winograd : bool, optional
        Whether ``algorithm="auto"`` and ``"autotune"`` may choose Winograd's algorithm, which is faster and
        about half as exact, a third in transposed convolutions. They may, unless the environment variable
        ``FASTCONV_WINOGRAD`` is 0 at import.

    Raises
    ------
    TypeError, ValueError
        If a setting is of the wrong type, unknown, out of range or unsupported here.

    Notes
    -----
    What is not given is inherited from the enclosing block, and in the end from the process. One object may
    be entered again, also inside itself and by several threads at once. Threads started inside the block
    begin with the process's settings (from Python 3.14 on, free-threaded builds pass the block's on).

    Examples
    --------
    >>> import fastconv as fc
    >>> with fc.config(num_threads=1, isa="generic"):
    ...     fc.get_num_threads()
    1
    """

    __slots__ = ("_settings",)

    def __init__(
        self, *, num_threads: int | None = None, isa: str | None = None, winograd: bool | None = None
    ) -> None:
        if winograd is not None and not isinstance(winograd, bool):
            raise TypeError(f"winograd must be True or False, got {winograd!r}")
        self._settings = Settings(
            None if isa is None else _isa_index(isa, "isa"),
            None if num_threads is None else _thread_count(num_threads, "num_threads"),
            winograd,
        )

    def __enter__(self) -> None:
        outer = _context.get()
        around = outer or Settings()
        isa, num_threads, winograd, _ = self._settings
        # What held before is kept here and not in this object, which several threads may enter at once.
        merged = Settings(
            around.isa if isa is None else isa,
            around.num_threads if num_threads is None else num_threads,
            around.winograd if winograd is None else winograd,
            outer,
        )
        _context.set(merged)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        settings = _context.get()
        _context.set(None if settings is None else settings.outer)


def set_cache_limit(nbytes: int) -> None:
    """Bound the idle memory that is kept for later outputs.

    Outputs live in aligned blocks. The block of an output that is no longer used is kept for the next one of
    its size, which then needs no page faults; this bounds how much is kept. Besides, a compiled network keeps
    a workspace as long as it lives.

    Parameters
    ----------
    nbytes : int
        Bytes; 0 switches the cache off and frees what it keeps. The environment variable
        ``FASTCONV_CACHE_MB`` sets it at import, in units of 2**20 bytes.

    Raises
    ------
    TypeError, ValueError
        If `nbytes` is no integer, negative or above 2**63 - 1.

    Examples
    --------
    >>> import fastconv as fc
    >>> before = fc.cache_info().limit
    >>> fc.set_cache_limit(0)
    >>> fc.cache_info()
    CacheInfo(limit=0, idle=0)
    >>> fc.set_cache_limit(before)
    """
    native.set_cache_limit(_integer(nbytes, "nbytes", 0, 2**63 - 1))


def cache_info() -> CacheInfo:
    """Return how much memory the output cache may keep and keeps now.

    Returns
    -------
    CacheInfo
        Named tuple ``(limit, idle)``, in bytes.

    Examples
    --------
    >>> import fastconv as fc
    >>> info = fc.cache_info()
    >>> 0 <= info.idle <= info.limit
    True
    """
    return CacheInfo(*native.cache_info())


def show_config(mode: str = "stdout") -> str | None:
    """Print the version, the instruction sets, the threads and the state of the output cache.

    Parameters
    ----------
    mode : {"stdout", "text"}, default "stdout"
        Whether to print the lines or to return them as one string.

    Returns
    -------
    str or None
        The text, if ``mode="text"``.

    Raises
    ------
    ValueError
        If `mode` is neither.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.show_config("text").splitlines()[0].startswith("fastconv")
    True
    """
    if mode not in ("stdout", "text"):
        raise ValueError(f"mode={mode!r} must be 'stdout' or 'text'")
    from fastconv import __version__

    isa, threads, winograd = native_run()
    limit, idle = cache_info()
    text = "\n".join(
        (
            f"fastconv {__version__}",
            f"instruction sets compiled:  {', '.join(native.ISA_NAMES)}",
            f"instruction sets supported: {', '.join(_supported())}",
            f"instruction set chosen:     {native.ISA_NAMES[isa]}",
            f"threads:                    {threads} (default {native.default_threads()})",
            f"Winograd by itself:         {'yes' if winograd else 'no'}",
            f"output cache:               {limit / 2**20:.1f} MiB at most, {idle / 2**20:.1f} MiB idle",
        )
    )
    if mode == "text":
        return text
    print(text)
    return None
