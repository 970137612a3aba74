"""The command line: fastgrad demo, train, predict, check, bench, info.

Promises: 0 where all went well, 1 where something failed or was found wrong, 2 for a wrong call, 130 after Ctrl-C;
results on standard output, progress and errors on standard error; choices come from the catalog.  Leaves out: the work
itself (tables/, demo.py, check.py, bench/), imported by the command that needs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import metadata

import click

from . import bench, check, demo, info, predict, train


def version() -> str:
    """The installed version; of a source tree that is not installed there is none to tell."""
    try:
        return metadata.version("fastgrad")
    except metadata.PackageNotFoundError:
        return "(not installed)"


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  fastgrad train houses.csv --target price --output houses.safetensors
  fastgrad predict houses.safetensors new.csv --output prices.csv
  fastgrad COMMAND --help""",
)
@click.version_option(version(), message="fastgrad %(version)s")
def commands() -> None:
    """Dense networks, trained at the speed of the hardware."""


for module in (demo, train, predict, check, bench, info):
    commands.add_command(module.command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and give its exit status; `argv` without the program's name (None: the process's own arguments)."""
    try:
        with commands.make_context("fastgrad", list(sys.argv[1:] if argv is None else argv)) as context:
            status = commands.invoke(context)
        sys.stdout.flush()
        return int(status or 0)
    except click.exceptions.Exit as done:  # --help, --version
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("\nstopped" if sys.stderr.isatty() else "stopped", file=sys.stderr)  # the bar's line is ended first
        return 130
    except BrokenPipeError:  # the reader (head, less) has gone: nothing is left to say, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ImportError, OSError, RuntimeError, ValueError, ArithmeticError) as error:
        print(f"fastgrad: {error}", file=sys.stderr)
        return 1
