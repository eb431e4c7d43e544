"""What the site generator needs to know of these pages."""

import re


def on_page_markdown(markdown: str, **_: object) -> str:
    """Fences without the word that tells the tests how to execute them, which the site generator does not know."""
    return re.sub(r"^(```\w+) (?:continuation|notest|fixture:\w+)[^\n`]*$", r"\1", markdown, flags=re.MULTILINE)
