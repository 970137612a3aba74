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


@click.command("info", epilog="\b\nExamples:\n  fastgrad info\n  fastgrad info --json\n  fastgrad info --clear-cache")
@options.as_json
@click.option("--clear-cache", is_flag=True, help="Remove the compiled derivatives that are kept on disk.")
def command(as_json: bool, clear_cache: bool) -> None:
    """Show version, instruction set, threads, optional parts, and what is kept of compiled derivatives."""
    from .. import dispatch
    from ..differentiate import caching

    if clear_cache:
        caching.clear()
    found, parts = dispatch.info(), optional_parts()
    folder, functions, size = caching.told()
    if as_json:
        output.show_json(
            {**found, "optional": parts, "cache": {"folder": str(folder), "functions": functions, "bytes": size}}
        )
        return
    found["compiled derivatives"] = f"{functions}, {size / 1e6:.1f} MB, in {folder}"
    found.pop("optional", None)  # there with yes and no, here with versions
    rows = [
        [key.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
        for key, value in found.items()
    ]
    output.show_table(["fastgrad", ""], rows)
    print()
    rows = [[name, version or "not installed", OPTIONAL[name]] for name, version in parts.items()]
    output.show_table(["optional library", "version", "for"], rows)
