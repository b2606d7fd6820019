"""MkDocs hooks: links out of docs/ work in the site too.

Pages link to files of the repository as they lie there, so that links work on a code host and in an editor.
For the site such a file comes along: Markdown as a page of its own, anything else as text under `files/`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[1]
PROJECT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the project's own pages and every repository file that a page links to."""
    for name in PROJECT_PAGES:
        _add(files, config, name, (ROOT / name).read_text())
    _add(files, config, "LICENSE.md", "# Licence\n\n```\n" + (ROOT / "LICENSE").read_text() + "```\n")
    for page in [file for file in files if file.is_documentation_page()]:
        for target in _outside(page.src_uri, page.content_string):
            uri = _site_uri(target)
            if files.get_file_from_path(uri) is None and (ROOT / target).is_file():
                _add(files, config, uri, (ROOT / target).read_text())
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links out of docs/ to the copies that came along."""
    here = page.file.src_uri

    def replaced(match: re.Match[str]) -> str:
        text, link, anchor = match[1], match[2], match[3] or ""
        target = _target(here, link)
        if target is None or not (ROOT / target).is_file():
            return match[0]
        return f"[{text}]({os.path.relpath(_site_uri(target), os.path.dirname(here) or '.')}{anchor})"

    return LINK.sub(replaced, markdown)


def _add(files: Files, config: Any, uri: str, text: str) -> None:
    file = File.generated(config, uri, content=text)
    if uri.startswith("files/"):
        file.inclusion = InclusionLevel.NOT_IN_NAV
    files.append(file)


def _outside(here: str, markdown: str) -> set[str]:
    targets = {_target(here, match[2]) for match in LINK.finditer(markdown)}
    return {target for target in targets if target is not None}


def _target(here: str, link: str) -> str | None:
    """Path in the repository of a link that leaves docs/, else None."""
    if "://" in link or link.startswith("mailto:"):
        return None
    # A page that comes from the repository's root has its links relative to that.
    base = "" if here in PROJECT_PAGES else "docs"
    if here.startswith("files/"):
        base, here = "", here.removeprefix("files/")
    path = os.path.normpath(os.path.join(base, os.path.dirname(here), link))
    if path.startswith("docs/"):
        return path if base == "" else None
    return path


def _site_uri(target: str) -> str:
    """Where a file of the repository lies in the site."""
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    if target in PROJECT_PAGES or target == "LICENSE":
        return target if target.endswith(".md") else "LICENSE.md"
    return f"files/{target}" if target.endswith(".md") else f"files/{target}.txt"
