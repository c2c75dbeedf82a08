"""What the website adds to the pages: a navigation that knows the decisions, and measured results.

Both follow the folders, so that whoever adds a decision or measures again need not think of the
website. `docs/decisions/` is listed newest first. `benchmarks/results/` lies outside the pages:
its pictures and tables are published below the same name, and links that lead there from a page,
right on the host of the repository, are made right on the website.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

DECISIONS = "Decisions"
RESULTS = "benchmarks/results/"


def on_config(config: MkDocsConfig) -> None:
    """Name every decision in the navigation."""
    folder = Path(config.docs_dir, "decisions")
    pages = sorted((page.name for page in folder.glob("2*.md")), reverse=True)
    for section in config.nav or []:
        if isinstance(section, dict) and DECISIONS in section:
            section[DECISIONS] += [f"decisions/{page}" for page in pages]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Publish the measured results."""
    folder = Path(config.docs_dir).parent / RESULTS
    for result in sorted(folder.glob("*.svg")):
        files.append(File.generated(config, RESULTS + result.name, abs_src_path=str(result)))


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead links to the results to where they are published."""
    up = "../" * page.file.src_uri.count("/")
    return markdown.replace(f"]({up}../{RESULTS}", f"]({up}{RESULTS}")
