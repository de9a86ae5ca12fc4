"""Sphinx configuration."""

from rollforward import __version__

project = "rollforward"
author = "The rollforward developers"
copyright = "2026, The rollforward developers"
release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# Notebooks are kept without outputs: the build runs them, and an error in one is an error of the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_merge_streams = True
# Classes of several rooms have the same name, such as `Entry`; what is meant is in the text around it.
suppress_warnings = ["ref.python"]
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True
default_role = "code"
html_theme = "furo"
html_title = f"rollforward {release}"
