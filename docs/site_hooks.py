"""Hooks of mkdocs: pages from outside docs/, the leaderboard, and links to files that a site does not have."""

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "docs"))

from board import our_board  # noqa: E402

BROUGHT = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "SECURITY.md": "security.md"}
BROUGHT |= {"CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])+)\]\(([^)#:]+)(#[^)]*)?\)")  # its text may hold brackets


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie beside docs/, and the leaderboard of our studies."""
    for source, name in BROUGHT.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text(encoding="utf-8")))
    for name, text in our_board().files().items():
        files.append(File.generated(config, f"results/board/{name}", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links into the site. A file that the site lacks is named, without a link."""
    own = page.file.src_uri
    source = next((ROOT / outside for outside, name in BROUGHT.items() if name == own), ROOT / "docs" / own)
    depth = "../" * own.count("/")

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        path = (source.parent / target).resolve()
        if not path.is_relative_to(ROOT):
            return found[0]
        inside = path.relative_to(ROOT).as_posix()
        if inside in BROUGHT:
            return f"[{text}]({depth}{BROUGHT[inside]}{anchor})"
        if inside.startswith("docs/") and path.suffix != ".py":
            first = "/index.html" if path.is_dir() else ""
            return f"[{text}]({depth}{inside.removeprefix('docs/')}{first}{anchor})"
        return f"{text} (`{inside}`)" if path.exists() else found[0]

    return LINK.sub(link, markdown)
