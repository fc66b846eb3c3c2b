"""Text of users' data as Markdown shows it: letter by letter, with neither marks nor HTML of its own."""

import html
import re

# What CommonMark 0.31, section 2.4, lets a backslash take the meaning from, as far as it has one within a line; a colon
# and the stop of www. begin links in GitHub's Markdown, section 6.9. < > and & become entities: MLflow's page knows no
# backslash before them.
MEANING = re.compile(r"[\\`*_{}\[\]()#!|~:]|(?<=www)\.", re.IGNORECASE)


def text(value: object) -> str:
    """`value` on one line, as text within a paragraph or a cell of a table."""
    line = " ".join(str(value).split())
    return html.escape(MEANING.sub(r"\\\g<0>", line), quote=False)
