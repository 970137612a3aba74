# The one runner for everything a developer does: `nox -l` lists the sessions, `nox -s all` runs them all.
# Tests run against a wheel that was built from the sdist, in a directory outside the source tree; the versions of the
# tools are those of pyproject.toml. Left out: the full benchmarks, which want a quiet machine (`fastgrad bench`).
from __future__ import annotations

from pathlib import Path

import nox

ROOT = Path(__file__).parent
EXTRAS: dict[str, list[str]] = nox.project.load_toml(ROOT / "pyproject.toml")["project"]["optional-dependencies"]

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True


def make_wheel(session: nox.Session, folder: Path) -> Path:
    """Build the sdist, from it the wheel, into an empty folder; return the wheel's path."""
    for old in folder.glob("fastgrad-*"):
        old.unlink()
    session.install("build")
    session.run("python", "-m", "build", "--outdir", str(folder), str(ROOT))
    (wheel,) = folder.glob("fastgrad-*.whl")
    return wheel


def install_wheel(session: nox.Session) -> None:
    """Install the wheel of the present sources with the test extra, then leave the source tree."""
    wheel = make_wheel(session, Path(session.create_tmp()) / "dist")
    session.install("--force-reinstall", "--no-deps", str(wheel))  # the version did not change, the content may have
    session.install(f"{wheel}[test]")
    session.chdir(session.create_tmp())


@nox.session
def format(session: nox.Session) -> None:
    """Rewrite the Python files: import order, layout, what ruff can mend."""
    session.install(*EXTRAS["lint"])
    session.run("ruff", "check", "--fix", ".")
    session.run("ruff", "format", ".")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style in Python and Cython files; change nothing."""
    session.install(*EXTRAS["lint"])
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("cython-lint", "fastgrad")


@nox.session
def types(session: nox.Session) -> None:
    """Check the Python layer with mypy --strict."""
    session.install(*EXTRAS["lint"], "numpy>=1.26", "click>=8.2")
    session.run("mypy")


@nox.session
def build(session: nox.Session) -> None:
    """Build sdist and wheel into dist/."""
    make_wheel(session, ROOT / "dist")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests against the installed wheel; arguments after -- go to pytest (-k adam, -m 'not slow')."""
    install_wheel(session)
    session.run("python", "-P", "-m", "pytest", str(ROOT / "tests"), *session.posargs)


@nox.session
def doctests(session: nox.Session) -> None:
    """Run the examples in the docstrings and in README.md (part of the tests; here on their own)."""
    install_wheel(session)
    session.run("python", "-P", "-m", "pytest", str(ROOT / "tests" / "test_package.py"), "-k", "examples")


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure which lines of the Python layer the tests reach."""
    install_wheel(session)
    session.install("coverage>=7.6")
    config = f"--rcfile={ROOT / 'pyproject.toml'}"
    session.run("python", "-P", "-m", "coverage", "run", config, "-m", "pytest", str(ROOT / "tests"), *session.posargs)
    session.run("python", "-P", "-m", "coverage", "report", config)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into docs/_build/html; a public docstring that owes something, or a broken reference, fails."""
    install_wheel(session)
    session.install(*EXTRAS["docs"])
    session.run("sphinx-build", "-W", "--keep-going", str(ROOT / "docs"), str(ROOT / "docs" / "_build" / "html"))


# a write one past the end of an array, put into a copy of the sources: a checker that misses it is worth nothing
PLANT = r"sed -i 's/out\[i\] = ((double)bits/out[i + 1] = ((double)bits/' fastgrad/kernels/random.h"
FOUND = 86  # how tools/sanitize.sh and tools/valgrind.sh end where they found an error


def check_memory(session: nox.Session, script: str, *arguments: str) -> None:
    """Run a checker on the kernels as they are, and on kernels with a planted error, which it has to find."""
    install_wheel(session)  # for what it brings along; the scripts build kernels of their own
    command = ["bash", str(ROOT / "tools" / script), *arguments]
    session.run(*command, env={"PYTHON": "python"}, external=True)
    session.log("the same with a planted error, which has to be found")
    session.run(*command, env={"PYTHON": "python", "PLANT": PLANT}, external=True, success_codes=[FOUND])


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run the tests of the kernels with AddressSanitizer and UBSan (gcc on Linux); arguments go to pytest."""
    check_memory(session, "sanitize.sh", *session.posargs)


@nox.session
def valgrind(session: nox.Session) -> None:
    """Train and predict under valgrind's memcheck (Linux)."""
    check_memory(session, "valgrind.sh")


@nox.session
def bench_quick(session: nox.Session) -> None:
    """Run every benchmark once, to see that it runs; times come from `fastgrad bench` on a quiet machine."""
    install_wheel(session)
    session.run("python", "-P", "-m", "pytest", str(ROOT / "bench"), "--benchmark-disable", *session.posargs)


@nox.session(name="all")
def everything(session: nox.Session) -> None:
    """Run lint, types, tests (docstring examples are among them), bench_quick."""
    for name in ("lint", "types", "tests", "bench_quick"):
        session.notify(name)
