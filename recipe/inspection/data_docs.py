"""What became of Great Expectations suites, as pages that open offline.

They are Great Expectations' own Data Docs, with our stylesheet in place of the styles and scripts that they would load
from the network.
"""

from __future__ import annotations

import html
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe.runtime.workspace import write_whole

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult

SHOWN_TAGS = {
    *("a", "b", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "pre"),
    *("small", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"),
}
CHANCE = re.compile(r"(?<=collapse-body)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOMENT = re.compile(r"<tr>(?:(?!</tr>).)*>(?:Run Time|ge_load_time)<.*?</tr>", re.DOTALL)
DROPPED_TAGS = {"button", "footer", "script", "style", "title"}  # with all they hold: Great Expectations' own


def write_data_docs(validated: dict[str, ExpectationSuiteValidationResult], folder: Path) -> None:
    """A page a suite, and index.html with all of them; nothing on them runs or comes from the network."""
    style = files("recipe.inspection").joinpath("data_docs.css").read_text(encoding="utf-8")
    for name, result in validated.items():
        body = f'<p><a href="index.html">All suites</a></p>{_sanitised(_rendered(result))}'
        write_whole(folder / _page(name), _document(name, body, style))
    write_whole(folder / "index.html", _index(validated, style))


def _page(suite: str) -> str:
    return f"{re.sub(r'[^-.0-9A-Za-z]', '_', suite)}.html"


def _rendered(result: ExpectationSuiteValidationResult) -> str:
    """Great Expectations' own page, from its content on."""
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    document = ValidationResultsPageRenderer().render(result)
    document.sections = _escaped(document.to_json_dict()["sections"])
    page = _repeatable(str(DefaultJinjaPageView().render(document)))
    return page[page.index('<div class="container-fluid') : page.rindex("</body>")]


def _repeatable(page: str) -> str:
    """`page` without the moment and the names by chance that it holds: equal data have equal pages."""
    return MOMENT.sub("", CHANCE.sub("", page))


def _escaped(content: Any) -> Any:
    """`content` of a page with what Great Expectations puts there as it is, such as cells and names, as text.

    Its templates, and the parameters that it escapes itself as it fills them in, are left to it; a template without
    parameters is a name.
    """
    if isinstance(content, str):
        return html.escape(content)
    if isinstance(content, list):
        return [_escaped(item) for item in content]
    if isinstance(content, dict):
        own = {"params", "template"} if content.get("params") else set()
        return {key: value if key in own else _escaped(value) for key, value in content.items()}
    return content if content is None or isinstance(content, (bool, int, float)) else html.escape(str(content))


def _sanitised(page: str) -> str:
    """The elements of `page` that show something, without scripts, styles, handlers and ways to other places.

    The sanitiser is ammonia, by its binding nh3: it parses as browsers do, and keeps what is named here alone.
    """
    import nh3

    return nh3.clean(
        page,
        tags=SHOWN_TAGS,
        clean_content_tags=DROPPED_TAGS,
        attributes={"*": {"class", "id", "hidden"}, "a": {"href", "data-toggle"}, "td": {"colspan"}, "th": {"colspan"}},
        attribute_filter=_own_anchor,
        link_rel=None,
    )


def _own_anchor(tag: str, attribute: str, value: str) -> str | None:
    """An attribute's value; None for a link that leads off the page."""
    return value if attribute != "href" or value.startswith("#section") else None


def _index(validated: dict[str, ExpectationSuiteValidationResult], style: str) -> str:
    rows = ""
    for name, result in validated.items():
        met = sum(bool(outcome.success) for outcome in result.results)
        verdict = "met" if met == len(result.results) else "not met"
        rows += (
            f'<tr><td><a href="{html.escape(_page(name))}">{html.escape(name)}</a></td>'
            f"<td>{met} of {len(result.results)}</td><td>{verdict}</td></tr>"
        )
    head = "<tr><th>Suite</th><th>Expectations met</th><th>Verdict</th></tr>"
    return _document("Data Docs", f'<h1>Data Docs</h1><table class="table">{head}{rows}</table>', style)


def _document(title: str, body: str, style: str) -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )
