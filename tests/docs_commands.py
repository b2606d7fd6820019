"""The commands of the documentation's pages, and what is said about running them.

A block of commands is run by `make test-docs` as it stands, unless a comment in front of it says otherwise:

    <!-- not run: why -->                      only understood: options, services and programs exist
    <!-- with a stack: --sim --record -->      run beside a stack of nodes that was started with these options
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "tutorial").glob("*.md")),
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
    ROOT / "docs" / "reference" / "kinebench.md",
)
_BLOCK = re.compile(
    r"^(?:[ ]*<!-- (?P<kind>not run|with a stack): (?P<value>[^>]*?) -->\n\s*)?"
    r"^[ ]*```bash\n(?P<text>.*?)^[ ]*```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One block of commands.

    Attributes:
        page: where it stands.
        line: number of its first line.
        lines: commands without comments, continued ones joined.
        not_run: why it is not run; empty: it is.
        stack: options of the stack that runs meanwhile; None: no stack.
    """

    page: Path
    line: int
    lines: tuple[str, ...]
    not_run: str = ""
    stack: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """For reports."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All blocks of commands of a page, in order."""
    text, found = page.read_text(), []
    for match in _BLOCK.finditer(text):
        joined = re.sub(r"\\\n\s*", " ", match["text"])
        lines = [re.sub(r"\s+# .*", "", line).strip() for line in joined.splitlines()]
        kind, value = match["kind"], match["value"] or ""
        found.append(
            Block(
                page,
                text[: match.start("text")].count("\n") + 1,
                tuple(line for line in lines if line and not line.startswith("#")),
                value if kind == "not run" else "",
                tuple(value.split()) if kind == "with a stack" else None,
            )
        )
    return found


def every_block() -> list[Block]:
    """The blocks of all pages whose commands a reader copies."""
    return [block for page in PAGES for block in blocks(page)]
