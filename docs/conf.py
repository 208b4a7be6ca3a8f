"""The site: ``python -m sphinx -W --keep-going -n docs build/docs``."""

import importlib
import sys
from pathlib import Path

import fastconv as fc

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

import contents  # noqa: E402

project = "fastconv"
author = "The fastconv developers"
project_copyright = author
version = release = fc.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_parser"]
exclude_patterns = ["figures/*.md"]

default_role = "autolink"
primary_domain = "py"
smartquotes = False  # quotes belong to values here
myst_heading_anchors = 3
numpydoc_show_class_members = False
# numpydoc's sections say the types, with shapes and meanings.
autodoc_typehints = "none"
autodoc_default_options = {"members": True}

html_title = f"fastconv {release}"
html_theme = "alabaster"
html_theme_options = {
    "description": "Convolution, pooling and normalisation of NumPy arrays",
    "fixed_sidebar": True,
    "page_width": "68rem",
    "body_max_width": "none",
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_copy_source = False
html_show_sphinx = False

# Written anew by each build, as far as it changes: Sphinx looks at the time of a page.
REFERENCE = DOCS / "reference"
REFERENCE.mkdir(exist_ok=True)
packages = {page: importlib.import_module(page.package) for page in contents.REFERENCE}
names = {
    f"{page.package}.{name}" for page, package in packages.items() for name in contents.public_names(package)
}
for written in REFERENCE.glob("fastconv.*.rst"):
    if written.stem not in names:
        written.unlink()
for page, package in packages.items():
    text, path = contents.reference(package, page), REFERENCE / f"{page.file}.rst"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
