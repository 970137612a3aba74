"""`fastgrad info`."""

from __future__ import annotations

from importlib import metadata

import click

from . import options, output

OPTIONAL = {
    "scikit-learn": "demo, estimators, a contender", "plotext": "the demo's curve", "matplotlib": "pictures",
    "rich": "tables on a terminal", "threadpoolctl": "its limits are honoured", "pandas": "data frames",
    "polars": "data frames", "jax": "a contender", "optax": "a contender", "torch": "a contender",
}  # fmt: skip


def optional_parts() -> dict[str, str | None]:
    """Version of every optional library, None where it is not installed."""
    found: dict[str, str | None] = {}
    for name in OPTIONAL:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


@click.command("info", epilog="\b\nExamples:\n  fastgrad info\n  fastgrad info --json")
@options.as_json
def command(as_json: bool) -> None:
    """Show version, instruction set, threads and optional parts."""
    from .. import dispatch

    found, parts = dispatch.info(), optional_parts()
    if as_json:
        output.show_json({**found, "optional": parts})
        return
    found.pop("optional", None)  # there with yes and no, here with versions
    rows = [
        [key.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
        for key, value in found.items()
    ]
    output.show_table(["fastgrad", ""], rows)
    print()
    rows = [[name, version or "not installed", OPTIONAL[name]] for name, version in parts.items()]
    output.show_table(["optional library", "version", "for"], rows)
