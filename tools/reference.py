"""The pages of the API reference, as reStructuredText: one per topic, made from `fastgrad.__all__`.

A topic is a set of modules; a public name from a module that no topic claims gets a page of its own module's name. A
page tabulates its public names, describes each, and after them the classes that they inherit from or give away.
"""

from __future__ import annotations

import sys
from typing import Any

import docstrings

import fastgrad

# page -> title, modules
TOPICS = {
    "networks": ("Networks and training", ("model", "network")),
    "layers": ("Layers", ("layers", "norms", "stack", "embedding")),
    "losses": ("Losses", ("losses",)),
    "optimizers": ("Optimizers", ("optimizers",)),
    "schedules": ("Schedules", ("schedules",)),
    "derivatives": ("Derivatives of functions", ("derivatives", "differentiate")),
    "checks": ("Gradient checks", ("check", "checking")),
    "history": ("History and errors", ("history",)),
}


def topic(module: str) -> str:
    """The page for the things of a module, "fastgrad.checking.reports" say."""
    first = module.split(".")[1]
    return next((page for page, (_, modules) in TOPICS.items() if first in modules), first)


def entry(path: str, thing: Any) -> str:
    """One class or function, with what is written in it."""
    kind = "autoclass" if isinstance(thing, type) else "autofunction"
    members = "   :members:\n   :special-members: __call__\n" if isinstance(thing, type) else ""
    return f".. {kind}:: {path}\n{members}\n"


def page(title: str, names: list[str], met: list[str]) -> str:
    """A page with these public names, and these classes that users only meet."""
    rows = "".join(f"   {name}\n" for name in names)
    text = (
        f"{title}\n{'=' * len(title)}\n\n.. currentmodule:: fastgrad\n\n.. autosummary::\n   :nosignatures:\n\n{rows}\n"
    )
    text += "".join(entry(name, getattr(fastgrad, name)) for name in names)
    if met:
        text += "Also met\n--------\n\nNot to be made by users: what the names above share, hold or hand out.\n\n"
        for path in met:
            module, name = path.rsplit(".", 1)
            text += f".. currentmodule:: {module}\n\n" + entry(name, getattr(sys.modules[module], name))
    return text


def pages() -> dict[str, str]:
    """File name without its ending -> text: an index, and the topics in their order."""
    named: dict[str, list[str]] = {}
    met: dict[str, list[str]] = {}
    things = {id(getattr(fastgrad, name)) for name in fastgrad.__all__}
    for name in fastgrad.__all__:
        if name != "__version__":
            named.setdefault(topic(getattr(fastgrad, name).__module__), []).append(name)
    for subject in docstrings.subjects():
        if isinstance(subject.thing, type) and id(subject.thing) not in things:
            module = subject.thing.__module__
            met.setdefault(topic(module), []).append(f"{module}.{subject.name}")
    order = [*(name for name in TOPICS if name in named), *sorted(named.keys() - TOPICS.keys())]
    titles = {name: TOPICS[name][0] if name in TOPICS else name.capitalize() for name in order}
    title = "API reference"
    index = f"{title}\n{'=' * len(title)}\n\n.. toctree::\n\n" + "".join(f"   {name}\n" for name in order)
    return {"index": index, **{name: page(titles[name], named[name], met.get(name, [])) for name in order}}
