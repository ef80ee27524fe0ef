"""Refuses a PDF that acts or carries other files. Nothing in it is ever run; the next reader of the file might.

PDFium draws such files without a word, so the objects are walked with pypdf, which also resolves names like
`/J#61vaScript`. A file that pypdf cannot read is not damaged for that: its bytes are searched instead.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pypdf
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, NullObject

from files.reading.pdf.attachments import is_invoice
from files.reading.pdf.scripts import only_formats_fields
from files.reading.refusal import Refused

ACTIVE = frozenset(
    {"/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToE", "/Rendition", "/RichMediaExecute"}
)
HARMLESS_WHEN_OPENED = frozenset({"/GoTo", "/Named", "/SetOCGState", "/Trans", "/Hide"})
"""What may happen without a click."""
CONTENT = frozenset({
    "/Contents", "/Font", "/Metadata", "/P", "/Parent", "/ParentTree", "/Resources", "/StructTreeRoot", "/Thumb",
})  # fmt: skip
"""What is drawn or describes what is drawn; it holds no actions and most of the objects."""
ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
SUSPICIOUS = re.compile(rb"/(JavaScript|JS|Launch|SubmitForm|ImportData|GoToE|RichMedia)\b")
EMBEDDED = re.compile(rb"/EmbeddedFile\b")
UNREADABLE = (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OSError)
"""What pypdf raises on damaged files."""


def refuse_active(path: Path) -> None:
    """Walk all objects that can act. Raises Refused with `active_content` or `embedded_file`."""
    try:
        with pypdf.PdfReader(path, strict=False) as reader:
            walk = _Walk()
            walk.check(reader.trailer.get("/Root"))
    except UNREADABLE:
        _search(path)
        return
    if walk.damaged:
        _search(path)


class _Walk:
    """A walk over all objects below the catalog, each once for each way that leads into it."""

    def __init__(self) -> None:
        self.damaged = False
        self.seen: set[tuple[int, str]] = set()

    def check(self, root: object) -> None:
        """Look at each dictionary."""
        waiting: list[tuple[object, str]] = [(root, "catalog")]
        while waiting:
            value, role = waiting.pop()
            found = self._resolve(value, role)
            if isinstance(found, DictionaryObject):
                _look_at(found, role)
                waiting.extend(_members(found, role))
            elif isinstance(found, ArrayObject):
                waiting.extend((item, role) for item in found)

    def _resolve(self, value: object, role: str) -> object:
        if not isinstance(value, IndirectObject):
            return value
        if (value.idnum, role) in self.seen:
            return None
        self.seen.add((value.idnum, role))
        try:
            return value.get_object()
        except UNREADABLE:
            self.damaged = True
            return None


def _members(found: DictionaryObject, role: str) -> Iterator[tuple[object, str]]:
    is_field = "/FT" in found or found.get("/Subtype") == "/Widget"
    for key, value in found.items():
        if key in CONTENT and not role.endswith("triggers"):
            continue
        if key == "/OpenAction" and isinstance(_plain(value), ArrayObject):
            continue  # a place in the document to show first, not an action
        yield value, _role(key, role, is_field=is_field)


def _role(key: str, role: str, *, is_field: bool) -> str:
    """What an object below this key is: the role says when its action happens."""
    if key == "/AA":
        return "field triggers" if is_field else "triggers"
    if role.endswith("triggers"):
        return role.removesuffix("s")
    if key == "/OpenAction" or (key == "/Next" and role.endswith("trigger")):
        return role if key == "/Next" else "trigger"
    return "other"


def _look_at(found: DictionaryObject, role: str) -> None:
    action = _plain(found.get("/S"))
    if role == "field trigger" and action == "/JavaScript" and only_formats_fields(_text(found.get("/JS"))):
        return
    if action in ACTIVE or "/JS" in found or _plain(found.get("/Subtype")) == "/RichMedia":
        raise active()
    is_action = (action is not None and "/Type" not in found) or _plain(found.get("/Type")) == "/Action"
    if role.endswith("trigger") and is_action and action not in HARMLESS_WHEN_OPENED:
        raise active()
    if "/EF" in found and not is_invoice(_text(found.get("/UF")) or _text(found.get("/F"))):
        raise embedded()


def _plain(value: object) -> object:
    return value.get_object() if isinstance(value, IndirectObject) else value


def _text(value: object) -> str:
    """Return the text of a string or a stream."""
    found = _plain(value)
    if found is None or isinstance(found, NullObject):
        return ""
    if hasattr(found, "get_data"):
        data: bytes = found.get_data()
        return data.decode("latin-1")
    return str(found)


def _search(path: Path) -> None:
    """Search the bytes for names of actions, with their escapes resolved."""
    content = ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), path.read_bytes())
    if SUSPICIOUS.search(content):
        raise active()
    if EMBEDDED.search(content):
        raise embedded()


def active() -> Refused:
    """The refusal of a PDF with scripts or actions."""
    return Refused("active_content", "The PDF contains scripts or actions. Print it to a new PDF and send that.")


def embedded() -> Refused:
    """The refusal of a PDF that carries other files."""
    return Refused("embedded_file", "Other files are attached to the PDF. Send them one by one, without attachments.")
