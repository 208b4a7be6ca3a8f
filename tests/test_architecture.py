"""The rules of the house hold here, and each of them finds the mistake it is there for.

The rules are in tests/rules/. Of this checkout they must say nothing; of a small house with one mistake
in it, they must name the mistake.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from rules import native, objects, python, sizes

ROOT = Path(__file__).resolve().parent.parent
Rule = Callable[[Path], list[str]]

SOUND_HOUSE = {
    "src/kernels.h": "#ifndef K_H\n#define K_H\ntypedef int fc_kernel(int);\n#endif\n",
    "src/simd.h": "#if A\n#include <immintrin.h>\n#endif\nstatic int one(void) { return 1; }\n",
    "src/parallel.h": "int fc_parallel(int tasks);\n",
    "src/parallel.c": '#include "parallel.h"\n#include <omp.h>\nint n(void) { return omp_get_max(); }\n',
    "src/workspace.h": "void *fc_block_acquire(int bytes);\n",
    "src/workspace.c": '#include "workspace.h"\nvoid *f(int n)\n{\n    return malloc(n);\n}\n',
    "src/kernels/tile.h": '#include "../kernels.h"\n#include "../simd.h"\n/* no malloc(1), no omp_lock */\n',
    "src/isa/avx2_f32.c": '#define REAL float\n#include "../kernels/tile.h"\n',
    "src/plan/conv.h": '#include "../kernels.h"\nint fc_plan(int size);\n',
    "src/ops/conv.c": '#include "../plan/conv.h"\nint run(int a, int (*f)(int, int))\n{\n    return a;\n}\n',
    "fastconv/__init__.py": "from fastconv.functional import conv2d\nfrom fastconv.runtime import config\n",
    "fastconv/runtime.py": "from fastconv._native import core\n",
    "fastconv/functional/__init__.py": "from fastconv.functional.conv import conv2d\n",
    "fastconv/functional/conv.py": "from .._native import core\nfrom fastconv.runtime import config\n",
    "fastconv/_native/core.pyx": "include 'conv.pxi'\nfrom fastconv._native cimport core\n",
    "fastconv/cli/__init__.py": "import fastconv as fc\nfrom fastconv import functional\n",
    "fastconv/__main__.py": "from fastconv.cli import main\n",
    "build/native/commands": "gcc 12\nfastconv_core: gcc -fPIC -O3 -fopenmp src/plan/conv.c\n",
}

LONG_C = "int f(int x)\n{\n" + "    x++;\n" * 60 + "    return x;\n}\n"
LONG_PYTHON = "def f(x):\n" + "    x += 1\n" * 60
LONG_CYTHON = "cdef int f(\n    int x\n) except -1:\n" + "    x += 1\n" * 60

TILE = "src/kernels/tile.h"
AVX2 = "src/isa/avx2_f32.c"
PLAN = "src/plan/conv.h"
OPS = "src/ops/conv.c"
CONV = "fastconv/functional/conv.py"
INFO = "fastconv/cli/info.py"
COMMANDS = "build/native/commands"
COMMON = "static int common_size(void) { return 1; }\n"

# rule, file with the mistake, its text, what the finding says
MISTAKES: list[tuple[Rule, str, str, str]] = [
    (native.include_directions, TILE, '#include "../ops/x.h"\n', "kernels must not include"),
    (native.include_directions, TILE, '#include "../workspace.h"\n', "kernels must not include"),
    (native.include_directions, TILE, '#include "x.h"\n', "kernels must not include"),
    (native.include_directions, AVX2, '#include "../plan/conv.h"\n', "isa must not include"),
    (native.include_directions, PLAN, '#include "ops/x.h"\n', "plan must not include"),
    (native.include_directions, PLAN, '#include "../workspace.h"\n', "plan must not include"),
    (native.include_directions, OPS, '#include "../kernels/tile.h"\n', "ops must not include"),
    (native.include_directions, OPS, '#  include "simd.h"\n', "ops must not include"),
    (native.include_directions, "src/kernels.h", '#include "kernels/tile.h"\n', "kernels.h must not"),
    (native.include_directions, OPS, '#include "../../fastconv/x.h"\n', "is no file under src/"),
    (native.openmp_behind_one_door, OPS, "#pragma omp parallel for\n", "src/parallel.*"),
    (native.openmp_behind_one_door, OPS, '_Pragma("omp parallel")\n', "src/parallel.*"),
    (native.openmp_behind_one_door, TILE, "#include <omp.h>\n", "src/parallel.*"),
    (native.openmp_behind_one_door, PLAN, "int n = omp_get_num_threads();\n", "src/parallel.*"),
    (native.allocation_in_workspace, OPS, "void *p = malloc (8);\n", "src/workspace.*"),
    (native.allocation_in_workspace, TILE, "void f(void *p) { free(p); }\n", "src/workspace.*"),
    (native.allocation_in_workspace, PLAN, "int e = posix_memalign(&p, 64, 8);\n", "src/workspace.*"),
    (native.plans_touch_no_data, PLAN, "void *p = fc_block_acquire(8);\n", "a plan allocates nothing"),
    (native.no_process_calls, OPS, 'void f(void) { printf("x"); }\n', "reports by status"),
    (native.no_process_calls, "src/workspace.c", "void f(void) { exit(1); }\n", "reports by status"),
    (native.no_process_calls, "src/parallel.c", 'char *s = getenv("X");\n', "reports by status"),
    (native.no_python, OPS, "#include <Python.h>\n", "does not know Python"),
    (native.intrinsics_in_simd, TILE, "x = _mm256_setzero_ps();\n", "src/simd.h"),
    (native.intrinsics_in_simd, TILE, "#include <immintrin.h>\n", "src/simd.h"),
    (native.isa_units_hold_no_code, AVX2, "static int f(void) { return 1; }\n", "nothing but directives"),
    (native.no_nested_conditions, TILE, "#if A\n#ifdef B\n#endif\n#endif\n", ":2: nested #if"),
    (native.few_parameters, OPS, f"void f({'int *a, ' * 7}int h)\n{{\n}}\n", "f has 8 parameters"),
    (python.import_directions, CONV, "import fastconv.cli\n", "must not import fastconv.cli"),
    (python.import_directions, CONV, "from fastconv import conv2d\n", "must not import fastconv"),
    (python.import_directions, CONV, "from ..cli import x\n", "must not import fastconv.cli"),
    (python.import_directions, "fastconv/runtime.py", "from fastconv import functional\n", "must not import"),
    (python.import_directions, "fastconv/_native/__init__.py", "import fastconv\n", "must not import"),
    (python.import_directions, INFO, "from fastconv._native import core\n", "cli must not import"),
    (python.import_directions, INFO, "def f():\n    from fastconv import runtime\n", "cli must not import"),
    (python.import_directions, "fastconv/nn/conv.py", "import fastconv.runtime\n", "nn must not import"),
    (python.import_directions, "fastconv/models/vgg.py", "import fastconv.functional\n", "models must not"),
    (python.import_directions, "fastconv/serialization/npz.py", "import fastconv.nn\n", "must not import"),
    (python.import_directions, "fastconv/attic/conv.py", "import numpy\n", "'attic' is a new room"),
    (python.binding_imports_nothing, "fastconv/_native/a.pxi", "from fastconv import x\n", "must not import"),
    (python.binding_imports_nothing, "fastconv/_native/core.pyi", "import fastconv\n", "must not import"),
    (sizes.short_files, OPS, "\n" * 401, "401 lines"),
    (sizes.short_files, "tests/test_x.py", "x = 1\n" * 401, "401 lines"),
    (sizes.short_functions, OPS, LONG_C, "f has 64 lines"),
    (sizes.short_functions, CONV, LONG_PYTHON, "f has 61 lines"),
    (sizes.short_functions, "fastconv/_native/core.pyx", LONG_CYTHON, "f has 63 lines"),
    (sizes.telling_names, "fastconv/utils.py", "", "'utils'"),
    (sizes.telling_names, "src/ops/conv_helpers.h", "", "'conv_helpers'"),
    (sizes.telling_names, CONV, "class CacheManager: ...\n", "'CacheManager'"),
    (sizes.telling_names, OPS, COMMON, "'common_size'"),
    (objects.own_flags_only, COMMANDS, "core: gcc -g -fwrapv -O3 x.c\n", ":1: -g -fwrapv is not ours"),
    (objects.own_flags_only, COMMANDS, "gcc\ncore: gcc x.c -ffast-math\n", ":2: -ffast-math"),
]
EMPTY_FILES = {"src/ops/x.h": "", "src/x.h": "", "fastconv/x.h": ""}
OBJECT_MISTAKES: list[tuple[Rule, str, str]] = [
    (objects.objects_export_one_table, "const int a = 1, b = 2;\n", "exports a, b;"),
    (objects.objects_export_one_table, "static int a;\n", "exports nothing;"),
    (objects.objects_call_nothing, "void g(int); void f(void) { g(8); }\n", "calls g;"),
]
OBJECT_RULES: list[Rule] = [objects.objects_export_one_table, objects.objects_call_nothing]
RULES: list[Rule] = list(dict.fromkeys(rule for rule, *_ in MISTAKES))


def name_of(rule: object) -> str:
    """Name a rule in a test's name."""
    return str(getattr(rule, "__name__", ""))


def build_house(folder: Path, files: dict[str, str]) -> Path:
    """Write a checkout of the given files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def report(findings: list[str]) -> None:
    """Fail with one finding a line."""
    if findings:
        pytest.fail("\n".join(findings), pytrace=False)


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_rule_holds(rule: Rule) -> None:
    report(rule(ROOT))


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_sound_house_has_no_findings(rule: Rule, tmp_path: Path) -> None:
    report(rule(build_house(tmp_path, SOUND_HOUSE)))


@pytest.mark.parametrize(("rule", "file", "text", "said"), MISTAKES, ids=name_of)
def test_mistake_is_found(rule: Rule, file: str, text: str, said: str, tmp_path: Path) -> None:
    house = build_house(tmp_path, {**SOUND_HOUSE, **EMPTY_FILES, file: text})
    findings = rule(house)
    assert any(finding.startswith(file) and said in finding for finding in findings), findings
    assert all(finding.startswith(file) for finding in findings), findings


def test_a_docstring_does_not_lengthen_a_function(tmp_path: Path) -> None:
    text = 'def f(x):\n    """Do.\n' + "\n    More." * 100 + '\n    """\n    return x\n'
    assert sizes.short_functions(build_house(tmp_path, {"fastconv/conv.py": text})) == []


def requires_tools(*names: str) -> None:
    """Skip where a tool of the compiler is missing."""
    if missing := [name for name in names if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)}")


@pytest.mark.parametrize("rule", OBJECT_RULES, ids=name_of)
def test_objects_of_the_instruction_sets(rule: Rule) -> None:
    requires_tools("nm")
    if not objects.isa_objects(ROOT):
        pytest.skip("no objects in build/native: not built here")
    report(rule(ROOT))


@pytest.mark.parametrize(("rule", "text", "said"), OBJECT_MISTAKES, ids=name_of)
def test_mistake_in_an_object_is_found(rule: Rule, text: str, said: str, tmp_path: Path) -> None:
    requires_tools("nm", "cc")
    folder = tmp_path / objects.OBJECTS / "src/isa"
    folder.mkdir(parents=True)
    (folder / "avx2_f32.c").write_text(text)
    subprocess.run(["cc", "-c", "-O0", "avx2_f32.c"], cwd=folder, check=True)
    (finding,) = rule(tmp_path)
    assert said in finding
