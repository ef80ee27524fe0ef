"""Checks a school's own HTML: no scripts, no tracking. Linear in the length of the text.

Variables are allowed between tags, where they are escaped. What is allowed is text, and tags of one exact form. No
pattern reads past the next `<`, and none tries a second way, so that no text takes long.
"""

import re

BLOCK_TAGS = ("p", "br", "hr", "h1", "h2", "h3", "div", "blockquote")
INLINE_TAGS = ("span", "small", "strong", "em", "b", "i", "u", "a")
TABLE_TAGS = ("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td")
TAGS = frozenset((*BLOCK_TAGS, *INLINE_TAGS, *TABLE_TAGS))
VOID_TAGS = frozenset({"br", "hr"})
ATTRIBUTES = frozenset({("a", "href"), ("td", "colspan"), ("th", "colspan")})
SCHEMES = ("https://", "mailto:")

NAME = r"[A-Za-z][A-Za-z0-9-]*+"
VALUE = r"""\s*+=\s*+(?:"([^"<]*+)"|'([^'<]*+)'|([^\s"'<>=`]++))"""
ATTRIBUTE = re.compile(rf"\s++({NAME})(?:{VALUE})?+")
TAG = re.compile(rf"<(/?)({NAME})((?:{ATTRIBUTE.pattern})*+)\s*+(/?)>")
NAME_GROUP, FIRST_VALUE = 1, 2


def find_html_problems(source: str) -> list[str]:
    """Return what is wrong, in words; nothing for HTML that is allowed."""
    wrong: dict[str, None] = {}
    unclosed: list[str] = []
    position = 0
    while (start := source.find("<", position)) >= 0:
        found = TAG.match(source, start)
        if found is None:
            wrong[_describe(source, start)] = None
            position = start + 1
            continue
        wrong |= dict.fromkeys(_check_tag(found, unclosed))
        position = found.end()
    if unclosed:
        wrong[f"<{unclosed[-1]}> is not closed"] = None
    return list(wrong)


def _describe(source: str, start: int) -> str:
    """Say what a `<` begins that is no tag; a bare one before a variable would turn its value into a tag."""
    if source.startswith("<!--", start):
        return "comments are not allowed here"
    if source.startswith(("<!", "<?"), start):
        return "declarations are not allowed here"
    return "write &lt; for < where it begins no tag; a tag has one > and values in quotes"


def _check_tag(found: re.Match[str], unclosed: list[str]) -> list[str]:
    """Return what is wrong with a tag, and keep the list of tags that wait for their end."""
    closing, tag, attributes = found.group(1), found.group(2).lower(), found.group(3)
    if closing:
        return [] if unclosed and unclosed.pop() == tag else [f"</{tag}> has no opening tag"]
    wrong = [] if tag in TAGS else [f"<{tag}> is not allowed here"]
    for each in ATTRIBUTE.finditer(attributes):
        wrong += _check_attribute(tag, each.group(NAME_GROUP).lower(), each.group(*range(FIRST_VALUE, FIRST_VALUE + 3)))
    if tag not in VOID_TAGS and not found.groups()[-1]:
        unclosed.append(tag)
    return wrong


def _check_attribute(tag: str, name: str, values: tuple[str | None, ...]) -> list[str]:
    value = next((each for each in values if each is not None), "")
    if (tag, name) not in ATTRIBUTES or "{" in value:
        return [f"<{tag}> must not have {name} with this value"]
    if name == "href" and not value.strip().lower().startswith(SCHEMES):
        return ["a link must begin with https:// or mailto:"]
    return []
