"""What the site generator needs to know of these pages."""

import re
from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """Adds pages that the menu does not list to the tab that is called as their folder."""
    docs, listed = Path(config.docs_dir), str(config.nav)
    for page in sorted(docs.rglob("*.md")):
        name = page.relative_to(docs).as_posix()
        if f"'{name}'" not in listed:
            tab = page.relative_to(docs).parts[0].capitalize()
            next(entry[tab] for entry in config.nav if tab in entry).append({page.stem: name})
    return config


def on_page_markdown(markdown: str, **_: object) -> str:
    """Fences without the word that tells the tests how to execute them, which the site generator does not know."""
    return re.sub(r"^(```\w+) (?:continuation|notest|fixture:\w+)[^\n`]*$", r"\1", markdown, flags=re.MULTILINE)
