"""Checks a school's own HTML: no scripts, no tracking.

Variables are allowed between tags, where they are escaped.
"""

from html.parser import HTMLParser

BLOCK_TAGS = ("p", "br", "hr", "h1", "h2", "h3", "div", "blockquote")
INLINE_TAGS = ("span", "small", "strong", "em", "b", "i", "u", "a")
TABLE_TAGS = ("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td")
TAGS = frozenset((*BLOCK_TAGS, *INLINE_TAGS, *TABLE_TAGS))
VOID_TAGS = frozenset({"br", "hr"})
ATTRIBUTES = frozenset({("a", "href"), ("td", "colspan"), ("th", "colspan")})
SCHEMES = ("https://", "mailto:")


def find_html_problems(source: str) -> list[str]:
    """Return what is wrong, in words; nothing for HTML that is allowed."""
    check = _Check(convert_charrefs=False)
    check.feed(source)
    check.close()
    wrong = check.wrong
    if check.open:
        wrong.append(f"<{check.open[-1]}> is not closed")
    return list(dict.fromkeys(wrong))


class _Check(HTMLParser):
    def __init__(self, *, convert_charrefs: bool) -> None:
        super().__init__(convert_charrefs=convert_charrefs)
        self.wrong: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.wrong.append(f"<{tag}> is not allowed here")
        for name, value in attrs:
            if (tag, name) not in ATTRIBUTES or "{" in (value or ""):
                self.wrong.append(f"<{tag}> must not have {name} with this value")
            elif name == "href" and not (value or "").strip().lower().startswith(SCHEMES):
                self.wrong.append("a link must begin with https:// or mailto:")
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID_TAGS:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> has no opening tag")

    def handle_data(self, data: str) -> None:
        # A bare "<" before a variable would turn its value into a tag.
        if "<" in data:
            self.wrong.append("write &lt; for <")

    def handle_comment(self, _data: str) -> None:
        self.wrong.append("comments are not allowed here")

    def handle_decl(self, _decl: str) -> None:
        self.wrong.append("declarations are not allowed here")

    def unknown_decl(self, _data: str) -> None:
        self.wrong.append("declarations are not allowed here")

    def handle_pi(self, _data: str) -> None:
        self.wrong.append("declarations are not allowed here")
