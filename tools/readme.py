"""Fill the tables of README.md and of the guide: `python tools/readme.py` writes them, with `--check` it only compares.

`python tools/readme.py --picture RESULTS.json` draws docs/ratios.svg from a file of `fastgrad bench peers --json`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the tables come from the checkout, built or not

from fastgrad import catalog  # noqa: E402  (needs the path above)
from fastgrad.initialisers import INITIALISERS  # noqa: E402

PAGES = {"README.md": ("activations", "losses", "optimizers"), "docs/training.md": ("initialisers",)}


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def arguments(hyper: dict[str, object]) -> str:
    """`lr=0.001, momentum=0.0`"""
    return f"`{', '.join(f'{k}={v}' for k, v in hyper.items())}`" if hyper else ""


def tables() -> dict[str, str]:
    """The text between each pair of markers."""
    activations = [[f"`{r.name}`", r.about, r.source] for r in catalog.ACTIVATIONS.values()]
    losses = [
        [f"`{r.name}`", f"`fg.{r.public}`", r.about, r.link_name, arguments(dict(r.hyper)), r.source]
        for r in catalog.LOSSES.values()
    ]
    optimizers = [
        [f"`fg.{r.public}`", r.about, arguments(dict(r.hyper)), r.source] for r in catalog.OPTIMIZERS.values()
    ]
    laws = {
        "uniform": "uniform, at most `{}`",
        "normal": "normal, deviation `{}`",
        "orthogonal": "at right angles, length 1",
    }
    initialisers = [
        [f"`{r.name}`", laws.get(r.law, r.law).format(r.scale), r.about, r.source] for r in INITIALISERS.values()
    ]
    return {
        "initialisers": table(["init", "weights", "what for", "source"], initialisers),
        "activations": table(["activation", "what it does", "source"], activations),
        "losses": table(["name", "class", "what it is", "link of `predict`", "arguments", "source"], losses),
        "optimizers": table(["optimizer", "what it does", "arguments", "source"], optimizers),
    }


def filled(text: str, names: tuple[str, ...] = PAGES["README.md"]) -> str:
    """A page's text with its tables up to date; ValueError where a marker is missing."""
    for name in names:
        body = tables()[name]
        pattern = re.compile(rf"(<!-- catalog:{name} -->\n).*?(<!-- /catalog -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"the page has no marker <!-- catalog:{name} -->")
        text = pattern.sub(lambda m, body=body: f"{m[1]}{body}\n{m[2]}", text)
    return text


def draw(results: Path) -> None:
    """The picture of ratios: one core, on which the contenders differ by their code alone."""
    from matplotlib import rc_context

    from fastgrad.bench import charts
    from fastgrad.bench.results import read

    found = [r for r in read(results).records if r["contender"] != "fastgrad" and r["threads"] == 1 and "ratio" in r]
    with rc_context({**charts.SETTINGS, "svg.fonttype": "none"}):
        charts.ratios(found).savefig(ROOT / "docs" / "ratios.svg", metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    if "--picture" in sys.argv:
        draw(Path(sys.argv[sys.argv.index("--picture") + 1]))
        sys.exit()
    for page, names in PAGES.items():
        path = ROOT / page
        before = path.read_text(encoding="utf-8")
        after = filled(before, names)
        if "--check" not in sys.argv:
            path.write_text(after, encoding="utf-8")
        elif after != before:
            sys.exit(f"{page}'s tables are not those of the catalog: run python tools/readme.py")
