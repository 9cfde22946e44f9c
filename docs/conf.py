"""Sphinx reads this; `scripts/build_site.py` gathers the sources that it works on."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project, author, copyright = "dmlnb", "the authors of dmlnb", "the authors of dmlnb, MIT licence"
home, branch = os.environ.get("DMLNB_HOME", "dmlnb/dmlnb"), os.environ.get("DMLNB_BRANCH", "main")

extensions = ["myst_nb", "sphinx_design", "katex_math"]
exclude_patterns = ["_ext", "node_modules"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}

nb_execution_mode = "off"  # pages show the outputs that are stored
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline", "deflist"]
myst_heading_anchors = 3
myst_dmath_double_inline = True
highlight_language = "python"
suppress_warnings = ["misc.highlighting_failure"]  # indented tables in docstrings are no Python
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_title = "dmlnb"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["site.css"]
html_math_renderer = "katex"
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None
html_context = {"default_mode": "auto"}
html_theme_options = {
    "repository_url": f"https://github.com/{home}",
    "repository_branch": branch,
    "repository_provider": "github",
    "path_to_docs": "",
    "use_repository_button": True,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    "home_page_in_toc": False,
    "logo": {"text": "dmlnb", "image_light": "_static/favicon.svg", "image_dark": "_static/favicon.svg"},
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
