"""The build: catalog -> block functions in C; one extension for each (dtype, instruction set); OpenMP if the compiler has it.

Everything else about the package stands in pyproject.toml.
"""

import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from fastgrad.kernels.generate import header  # noqa: E402  (needs the path above)

KERNELS = HERE / "fastgrad" / "kernels"
STUB = """# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: infer_types=False, freethreading_compatible=True
include "kernels.pxi"
"""
MSVC = sys.platform == "win32" and "GCC" not in sys.version
# no -ffast-math, no -freciprocal-math: NaN must be seen, and rounding must not depend on the surroundings
FLAGS = [
    "-O3",
    "-g0",
    "-std=gnu11",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-Wno-unused-function",
]
if MSVC:
    FLAGS = ["/O2", "/fp:precise", "/std:c11"]
LEVELS = {
    "v2": ["-march=x86-64-v2"],
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
}


def compiles(flags, code="int main(void) { return 0; }"):
    """Does the C compiler take these flags, and link the program?"""
    compiler = os.environ.get("CC", sysconfig.get_config_var("CC") or "cc").split()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(code)
        command = [*compiler, *flags, str(source), "-o", str(Path(folder, "probe"))]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except OSError:
            return False


def openmp_flags():
    """(compile, link) flags of OpenMP, or nothing: then the kernels run on one thread."""
    if os.environ.get("FASTGRAD_OPENMP") == "0":
        return [], []
    if MSVC:
        return ["/openmp"], []
    program = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }"
    for compile_, link in ((["-fopenmp"], ["-fopenmp"]), (["-Xpreprocessor", "-fopenmp"], ["-lomp"])):
        if compiles([*compile_, *link], program):
            return compile_, link
    print("fastgrad: the C compiler has no OpenMP; the kernels will use one thread", file=sys.stderr)
    return [], []


def levels():
    """Instruction sets to build: x86-64's levels where the compiler knows them, else one baseline of the compiler's own.

    FASTGRAD_LEVELS=base (or base,v3) builds fewer, for developers in a hurry.
    """
    wanted = os.environ.get("FASTGRAD_LEVELS", "base,v2,v3,v4").split(",")
    x86 = platform.machine().lower() in ("x86_64", "amd64") and not MSVC
    return {"base": [], **({k: v for k, v in LEVELS.items() if k in wanted and compiles(v)} if x86 else {})}


def write(path, text):
    """Only if it differs: a new date would rebuild everything."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def extensions():
    """One extension for each type and instruction set, from a stub that includes the same sources."""
    for name in ("CFLAGS", "CPPFLAGS", "LDFLAGS"):
        if re.search(r"-ffast-math|-Ofast", os.environ.get(name, "")):
            raise SystemExit(
                f"fastgrad: {name} holds -ffast-math (or -Ofast), which sets flush-to-zero for the whole process "
                "and makes NaN checks vanish; remove it"
            )
    write(KERNELS / "blocks.h", header())
    compile_omp, link_omp = openmp_flags()
    sources = [str(p) for pattern in ("*.h", "*.pxi") for p in KERNELS.glob(pattern)]
    for level, flags in levels().items():
        for bits in (32, 64):
            stub = KERNELS / f"_f{bits}_{level}.pyx"
            write(stub, STUB)
            yield Extension(
                f"fastgrad.kernels._f{bits}_{level}", [str(stub.relative_to(HERE))], depends=sources,
                include_dirs=[str(KERNELS.relative_to(HERE))], define_macros=[("REAL_BITS", str(bits))],
                extra_compile_args=[*FLAGS, *flags, *compile_omp], extra_link_args=link_omp,
            )  # fmt: skip


class Build(build_ext):
    """Builds the variants side by side."""

    def finalize_options(self):
        """As many compilers as there are processors, unless told otherwise."""
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()


def cythonized():
    """The extensions with their C written; SystemExit where a kernel would take the GIL back after each call."""
    from Cython.Build import cythonize

    processes = 0 if os.name == "nt" else os.cpu_count() or 1
    built = cythonize(list(extensions()), nthreads=processes, show_all_warnings=False)
    for extension in built:
        # a function type without noexcept: Cython only prints a hint, and the kernels are up to 16 times slower
        if "__Pyx_ErrOccurredWithGIL()" in Path(extension.sources[0]).read_text(encoding="utf-8"):
            raise SystemExit(
                f"fastgrad: {extension.sources[0]} takes the GIL after a call: a cdef type lacks noexcept nogil"
            )
    return built


setup(ext_modules=cythonized(), cmdclass={"build_ext": Build})
