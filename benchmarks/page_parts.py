"""What a browser makes of a page: what it loads, where its links lead, and whether it follows what changes."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self


@dataclass
class PageParts(HTMLParser):
    """Addresses in a page; `links` are those of its main part, `later` is where its content comes from."""

    loaded: set[str] = field(default_factory=set)
    pictures: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    later: str = ""
    follows: bool = False
    in_main: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def of(cls, page: str) -> Self:
        """Return the parts of a page."""
        found = cls()
        found.feed(page)
        found.close()
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an address."""
        given = dict(attrs)
        self.in_main = self.in_main or tag == "main"
        if tag in {"link", "script"}:
            self.loaded.add(given.get("href") or given.get("src") or "")
        elif tag == "img":
            self.pictures.append(given.get("src") or "")
        elif tag == "a" and self.in_main:
            self.links.append(given.get("href") or "")
        self.later = self.later or given.get("data-address") or ""
        self.follows = self.follows or given.get("id") == "live"

    def handle_endtag(self, tag: str) -> None:
        """Note the end of the main part."""
        self.in_main = self.in_main and tag != "main"
