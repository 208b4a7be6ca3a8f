"""Build the C library under src/ and the one extension that binds it; everything else is in pyproject.toml.

    src/**/*.c            -> libfastconv_core.a        baseline flags
    src/isa/<isa>_f32.c   -> libfastconv_<isa>_f32.a   + the flags of that instruction set
    src/isa/<isa>_f64.c   -> libfastconv_<isa>_f64.a
    core.pyx -> build/cython/**/core.c -> fastconv/_native/core.abi3.so, linked with all of them

Objects stay in build/native, with the commands that made them beside them in build/native/commands.
``FASTCONV_SANITIZE=address,undefined`` builds with those sanitizers (see .ci/sanitize).
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext

SOURCES = Path("src")
NATIVE = Path("fastconv/_native")
OBJECTS = Path("build/native")
COMMANDS = OBJECTS / "commands"


class Isa(NamedTuple):
    """An instruction set: the machines that compile it (None: all) and its flags."""

    machines: frozenset[str] | None
    flags: tuple[str, ...]


X86_64 = frozenset({"x86_64", "amd64"})
ISAS = {
    "generic": Isa(None, ()),
    "avx2": Isa(X86_64, ("-mavx2", "-mfma")),
    "avx512": Isa(
        X86_64,
        (
            "-mavx512f",
            "-mavx512vl",
            "-mavx512dq",
            "-mavx512bw",
            "-mfma",
            "-mprefer-vector-width=512",
        ),
    ),
}


class Toolchain(NamedTuple):
    """How one family of compilers spells what every platform needs."""

    prefix: str  # before each flag of FLAGS and ISAS
    compile: tuple[str, ...]
    link: tuple[str, ...]  # after the libraries


# Never -ffast-math: linking with it changes the denormal mode of the whole process.
FLAGS = (
    "-O3",
    "-std=gnu11",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-Wall",
    "-Wextra",
)
HIDDEN = ("-fPIC", "-fvisibility=hidden")
LIBOMP = os.environ.get("LIBOMP_PREFIX", "/opt/homebrew/opt/libomp")
LLVM = Path(shutil.which("clang-cl") or "clang-cl").parent.parent
TOOLCHAINS = {
    "linux": Toolchain("", (*HIDDEN, "-fopenmp"), ("-fopenmp", "-lm")),
    "darwin": Toolchain(
        "", (*HIDDEN, "-Xclang", "-fopenmp", f"-I{LIBOMP}/include"), (f"-L{LIBOMP}/lib", "-lomp")
    ),
    # The vector extensions of GCC and Clang are needed, so this is clang-cl and never cl.
    "win32": Toolchain("/clang:", ("/openmp",), (f"/LIBPATH:{LLVM / 'lib'}", "libomp.lib")),
}

# What the interpreter was built with and must not reach us: debugging and warning levels, -fwrapv and its
# synonym, which forbid loop optimisations, and the path of its own libraries.
INTERPRETER_FLAG = re.compile(r"-g\d?|-O\w|-fwrapv|-fno-strict-overflow|-W(?!l,).*|-Wl,-rpath,.*")

if sys.platform == "darwin":
    # A universal2 interpreter would compile every file for both machines, but an ISA belongs to one.
    os.environ.setdefault("ARCHFLAGS", f"-arch {platform.machine()}")


def target_machine() -> str:
    """Name the machine compiled for, which is not always the one compiled on."""
    if sys.platform == "darwin":
        return os.environ["ARCHFLAGS"].split()[-1]
    return sysconfig.get_platform().split("-")[-1]


def toolchain() -> Toolchain:
    """Return this platform's toolchain; other Unixes are taken for Linux."""
    return TOOLCHAINS.get(sys.platform, TOOLCHAINS["linux"])


def sanitizer_flags() -> list[str]:
    """Return the flags of FASTCONV_SANITIZE, for compiling and linking."""
    names = os.environ.get("FASTCONV_SANITIZE", "")
    if not names:
        return []
    return [f"-fsanitize={names}", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g1", "-O1"]


def compile_flags(isa: str) -> list[str]:
    """Return the flags of a unit of an instruction set; those of "generic" are the baseline."""
    tools = toolchain()
    return [tools.prefix + flag for flag in (*FLAGS, *ISAS[isa].flags)] + [*tools.compile, *sanitizer_flags()]


def native_libraries() -> list[tuple[str, dict[str, Any]]]:
    """List the static libraries in link order: a unit of an instruction set calls nothing of the core."""
    units = sorted(path for path in SOURCES.glob("isa/*.c") if path.stem.endswith(("_f32", "_f64")))
    core = sorted(set(SOURCES.rglob("*.c")) - set(units))
    # Any header rebuilds everything: a missed dependency costs an afternoon, a rebuild a minute.
    depends = [str(path) for path in sorted(SOURCES.rglob("*.h"))]

    def library(paths: list[Path], isa: str) -> dict[str, Any]:
        return {
            "sources": [str(path) for path in paths],
            "include_dirs": [str(SOURCES)],
            "cflags": compile_flags(isa),
            "obj_deps": {"": depends},
        }

    libraries = [("fastconv_core", library(core, "generic"))]
    for unit in units:
        isa = unit.stem.rpartition("_")[0]
        machines = ISAS[isa].machines
        if machines is None or target_machine().lower() in machines:
            libraries.append((f"fastconv_{unit.stem}", library([unit], isa)))
    return libraries


def limited_api() -> bool:
    """Whether one build serves all later Pythons; free-threaded ones need their own."""
    return not sysconfig.get_config_var("Py_GIL_DISABLED")


def extension() -> Extension:
    """Translate core.pyx and return the extension of the generated C."""
    binding = Extension(
        "fastconv._native.core",
        [str(NATIVE / "core.pyx")],
        include_dirs=[str(SOURCES)],
        define_macros=[("Py_LIMITED_API", "0x030B0000")] if limited_api() else [],
        # Cython's output compares, casts and discards as it likes, so its warnings say nothing.
        extra_compile_args=[*compile_flags("generic"), toolchain().prefix + "-w"],
        extra_link_args=[*toolchain().link, *sanitizer_flags()],
        py_limited_api=limited_api(),
    )
    # build_dir keeps the generated C out of the source tree, so out of wheel and sdist too. Cython sees by
    # itself what core.pyx includes; the sources of the libraries follow, as cythonize would copy them.
    (translated,) = cythonize([binding], build_dir="build/cython")
    translated.depends = [*sorted(str(path) for path in SOURCES.rglob("*.[ch]")), str(COMMANDS)]
    return translated


def set_up_compiler(compiler: Any) -> None:
    """Drop the interpreter's own flags, keep those of the environment; replace cl by clang-cl."""
    if compiler.compiler_type == "msvc":
        if not compiler.initialized:
            compiler.initialize()
        compiler.cc = os.environ.get("CC") or shutil.which("clang-cl") or "clang-cl"
        compiler.compile_options = ["/nologo", "/O2", "/DNDEBUG", "/MD"]
        return
    for name, variable in (("compiler_so", "CFLAGS"), ("linker_so", "LDFLAGS")):
        kept = [flag for flag in getattr(compiler, name) if not INTERPRETER_FLAG.fullmatch(flag)]
        setattr(compiler, name, kept + shlex.split(os.environ.get(variable, "")))


class BuildLibraries(build_clib):
    """Compile the libraries side by side, in a folder that outlives the build and knows its own flags."""

    def finalize_options(self) -> None:
        """Put objects and libraries where later builds and the tests find them."""
        super().finalize_options()
        self.build_clib = self.build_temp = str(OBJECTS)

    def build_libraries(self, libraries: list[tuple[str, dict[str, Any]]]) -> None:
        """Build what changed; everything after a change of compiler, flags or list of sources."""
        set_up_compiler(self.compiler)
        commands = self.commands(libraries)
        if not COMMANDS.exists() or COMMANDS.read_text() != commands:
            shutil.rmtree(OBJECTS, ignore_errors=True)
            OBJECTS.mkdir(parents=True)
            COMMANDS.write_text(commands)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda library: super(BuildLibraries, self).build_libraries([library]), libraries))

    def commands(self, libraries: list[tuple[str, dict[str, Any]]]) -> str:
        """Describe the build, a line a library."""
        tool = self.compiler
        compiler = getattr(tool, "compiler_so", None) or [tool.cc, *tool.compile_options]
        version = subprocess.run([compiler[0], "--version"], capture_output=True, text=True, check=False)
        lines = [*version.stdout.splitlines()[:1]]
        for name, info in libraries:
            lines.append(f"{name}: {shlex.join([*compiler, *info['cflags'], *info['sources']])}")
        return "\n".join(lines) + "\n"


class BuildExtension(build_ext):
    """Build the libraries first, also for a bare ``build_ext --inplace``."""

    def run(self) -> None:
        """Build, and leave a copy beside the sources.

        Python run in the checkout imports the checkout's package, not the installed one, and would miss it.
        """
        self.run_command("build_clib")
        super().run()
        if not self.inplace:
            self.copy_extensions_to_source()

    def build_extensions(self) -> None:
        """Compile with our flags."""
        set_up_compiler(self.compiler)
        super().build_extensions()


setup(
    ext_modules=[extension()],
    libraries=native_libraries(),
    cmdclass={"build_clib": BuildLibraries, "build_ext": BuildExtension},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if limited_api() else {},
)
