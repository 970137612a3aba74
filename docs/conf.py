"""The site: README, contributing and changelog as they stand, and the API reference, one page per topic.

The pages of the reference are written here from `fastgrad.__all__`, into docs/api/, so that no public name can be left
out. A public docstring that owes something (tools/docstrings.py) is a warning, and `sphinx-build -W` makes it an error.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tools"))

import docstrings  # noqa: E402  (needs the path above)
import reference  # noqa: E402
from sphinx.ext.napoleon import GoogleDocstring  # noqa: E402
from sphinx.util import logging  # noqa: E402

project = "fastgrad"
release = metadata.version("fastgrad")
copyright = "fastgrad developers"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "myst_parser"]
myst_enable_extensions = ["deflist"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"fastgrad {release}"
default_role = "code"  # docstrings say `name`, as Markdown does
autosummary_generate = False  # the tables are wanted, a page for each name is not
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # what is inherited is described once, with the base class
autodoc_typehints_format = "short"
# the names that the sources use, in place of what they stand for
autodoc_type_aliases = {
    "npt.ArrayLike": "ArrayLike",
    "npt.DTypeLike": "DTypeLike",
    "Array": "ndarray",
    "Times": "ndarray",
}
python_maximum_signature_line_length = 88
myst_heading_anchors = 3


def setup(app: Any) -> None:
    """Write the reference's pages and look at the docstrings before anything is read."""
    app.connect("builder-inited", prepare)
    app.connect("autodoc-process-docstring", read_sections)


def read_sections(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Args, Returns and Raises as fields; not of properties, where napoleon takes a colon for the end of a type."""
    if what != "property":
        lines[:] = str(GoogleDocstring(lines, what=what, name=name)).splitlines()


def prepare(app: Any) -> None:
    """One page per topic; one warning per fault."""
    folder = HERE / "api"
    folder.mkdir(exist_ok=True)
    wanted = {f"{name}.rst": text for name, text in reference.pages().items()}
    for old in folder.glob("*.rst"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    logger = logging.getLogger(__name__)
    for fault in docstrings.faults():
        logger.warning(fault, type="docstrings")
