"""Makes PDFs that attack what reads them: other members of the kinds in `hostile_files`, through compression too."""

import io
import zlib

import pypdf
from pypdf.constants import UserAccessPermissions

from services.files.tests.reading import made_files as made
from services.files.tests.reading.hostile_files import attached, filespec, script


def packed(content: bytes, entries: str = "") -> str:
    """A compressed stream object."""
    small = zlib.compress(content, 9)
    return made.stream(small.decode("latin-1"), f"/Filter /FlateDecode {entries}").replace(
        f"/Length {len(small.decode('latin-1'))}", f"/Length {len(small)}"
    )


def drawn(content: str, resources: str = "", *extra: str) -> bytes:
    """A PDF whose page draws `content`."""
    page = made.pdf(made.stream(content), f"<< {resources} >>", *extra)
    return page.replace(b"/Contents 11 0 R", b"/Contents 100 0 R").replace(
        b"/Resources << /Font << /F1 3 0 R >> >>", b"/Resources 101 0 R"
    )


def image(entries: str, content: bytes) -> bytes:
    """A PDF whose page is one picture."""
    return drawn(
        "q 500 0 0 700 40 70 cm /Im Do Q",
        "/XObject << /Im 102 0 R >>",
        packed(content, f"/Type /XObject /Subtype /Image {entries}"),
    )


def rewritten(content: bytes, *, user: str = "", owner: str = "owner", algorithm: str | None = None, **more) -> bytes:
    """The same PDF, written by pypdf, with a password if there is an algorithm."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    if algorithm:
        writer.encrypt(user, owner, algorithm=algorithm, permissions_flag=UserAccessPermissions.PRINT)
    if more.get("objects"):
        writer.compress_identical_objects()
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def in_object_stream(*objects: str, catalog: str) -> bytes:
    """A PDF of version 1.5 whose catalog and further objects (from number 10) are inside a compressed stream."""
    bodies = {1: f"<< /Type /Catalog /Pages 2 0 R {catalog} >>"} | {10 + n: body for n, body in enumerate(objects)}
    places, inside = [], ""
    for number, body in bodies.items():
        places.append(f"{number} {len(inside)}")
        inside += body + " "
    first = " ".join(places) + " "
    parts = {
        2: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
        4: packed((first + inside).encode(), f"/Type /ObjStm /N {len(bodies)} /First {len(first)}"),
    }
    out, at = bytearray(b"%PDF-1.5\n"), {}
    for number, body in parts.items():
        at[number] = len(out)
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    start = len(out)
    rows = {0: (0, 0, 65535), 5: (1, start, 0)} | {n: (1, at[n], 0) for n in parts}
    rows |= {number: (2, 4, index) for index, number in enumerate(bodies)}
    size = max(rows) + 1
    table = b"".join(
        bytes([kind]) + place.to_bytes(4) + index.to_bytes(2)
        for kind, place, index in (rows.get(number, (0, 0, 0)) for number in range(size))
    )
    entries = f"/Type /XRef /Size {size} /W [1 4 2] /Root 1 0 R"
    out += f"5 0 obj\n{packed(table, entries)}\nendobj\nstartxref\n{start}\n%%EOF\n".encode("latin-1")
    return bytes(out)


def nested_forms(depth: int = 14, copies: int = 10) -> bytes:
    """Drawings that draw the next one ten times each: 10¹⁴ letters in a few kilobytes."""
    forms = []
    for level in range(depth):
        content = f"/F{level + 1} Do " * copies if level < depth - 1 else "BT /F1 9 Tf (a) Tj ET"
        inside = f"/XObject << /F{level + 1} {103 + level} 0 R >>" if level < depth - 1 else "/Font << /F1 3 0 R >>"
        forms.append(made.stream(content, f"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << {inside} >>"))
    return drawn("/F0 Do", "/XObject << /F0 102 0 R >>", *forms)


def many_pages(count: int) -> bytes:
    """A page tree that names the same page many times."""
    kids = "10 0 R " * count
    return made.pdf().replace(b"/Kids [10 0 R] /Count 1", f"/Kids [{kids}] /Count {count}".encode())


def repaired(content: bytes) -> bytes:
    """The same without its table of objects, as an editor leaves it that inserted bytes."""
    return content.replace(b"startxref", b"startxerf").replace(b"xref\n", b"xerf\n", 1)


EICAR = made.EICAR.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
PAGE_LAUNCH = "/Annots [<< /Subtype /Link /Rect [0 0 9 9] /A << /S /Launch /Win << /F (cmd.exe) >> >> >>]"
HOSTILE_PDFS = {
    "password, RC4 40": ("a.pdf", lambda: rewritten(made.pdf(), user="u", algorithm="RC4-40"), "encrypted"),
    "password, RC4 128": ("a.pdf", lambda: rewritten(made.pdf(), user="u", algorithm="RC4-128"), "encrypted"),
    "password, AES 128": ("a.pdf", lambda: rewritten(made.pdf(), user="u", algorithm="AES-128"), "encrypted"),
    "password, AES 256": ("a.pdf", lambda: rewritten(made.pdf(), user="u", algorithm="AES-256"), "encrypted"),
    "owner's password": ("a.pdf", lambda: rewritten(made.pdf(), algorithm="AES-256"), "accepted"),
    "owner's password and a script": (
        "a.pdf",
        lambda: rewritten(made.pdf(catalog=f"/OpenAction {script()}"), algorithm="AES-128"),
        "active_content",
    ),
    "password and a script": (
        "a.pdf",
        lambda: rewritten(made.pdf(catalog=f"/OpenAction {script()}"), user="u", algorithm="AES-256"),
        "encrypted",
    ),
    "script in an object stream": (
        "a.pdf",
        lambda: in_object_stream(script(), catalog="/OpenAction 10 0 R"),
        "active_content",
    ),
    "launch in an object stream": (
        "a.pdf",
        lambda: in_object_stream("<< /S /Launch /F (cmd.exe) >>", catalog="/OpenAction 10 0 R"),
        "active_content",
    ),
    "script without a table of objects": (
        "a.pdf",
        lambda: repaired(made.pdf(catalog=f"/OpenAction {script()}")),
        "active_content",
    ),
    "script as a stream": (
        "a.pdf",
        lambda: made.pdf("<< /S /JavaScript /JS 101 0 R >>", packed(b"app.alert(1)"), catalog="/OpenAction 100 0 R"),
        "active_content",
    ),
    "script behind another action": (
        "a.pdf",
        lambda: made.pdf(catalog=f"/OpenAction << /S /GoTo /D [10 0 R /Fit] /Next {script()} >>"),
        "active_content",
    ),
    "script before closing": ("a.pdf", lambda: made.pdf(catalog=f"/AA << /WC {script()} >>"), "active_content"),
    "script of a bookmark": (
        "a.pdf",
        lambda: made.pdf(
            "<< /Type /Outlines /First 101 0 R /Last 101 0 R >>",
            f"<< /Title (a) /Parent 100 0 R /A {script()} >>",
            catalog="/Outlines 100 0 R",
        ),
        "active_content",
    ),
    "script of a rendition": (
        "a.pdf",
        lambda: made.pdf(
            page="/Annots [<< /Subtype /Screen /Rect [0 0 9 9] /A << /S /Rendition /JS (app.alert(1)) /OP 0 >> >>]"
        ),
        "active_content",
    ),
    "launch of a shell": ("a.pdf", lambda: made.pdf(page=PAGE_LAUNCH), "active_content"),
    "import of data": (
        "a.pdf",
        lambda: made.pdf(catalog="/OpenAction << /S /ImportData /F (a.fdf) >>"),
        "active_content",
    ),
    "another document when opened": (
        "a.pdf",
        lambda: made.pdf(catalog="/OpenAction << /S /GoToR /F (//example.org/a.pdf) /D [0 /Fit] >>"),
        "active_content",
    ),
    "film": (
        "a.pdf",
        lambda: made.pdf(page="/Annots [<< /Subtype /RichMedia /Rect [0 0 9 9] >>]"),
        "active_content",
    ),
    "link that a person may click": (
        "a.pdf",
        lambda: made.pdf(
            page="/Annots [<< /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (https://example.org) >> >>]"
        ),
        "accepted",
    ),
    "program attached": ("a.pdf", lambda: attached("a.exe", "MZ program"), "embedded_file"),
    "document attached": ("a.pdf", lambda: attached("a.pdf", "%PDF-1.7"), "embedded_file"),
    "attachment in an object stream": (
        "a.pdf",
        lambda: in_object_stream(
            "<< /Names [(a) 11 0 R] >>",
            "<< /Type /Filespec /F (a.exe) /UF (a.exe) /EF << /F 4 0 R >> >>",
            catalog="/Names << /EmbeddedFiles 10 0 R >>",
        ),
        "embedded_file",
    ),
    "attachment beside the document": (
        "a.pdf",
        lambda: made.pdf(filespec("a.txt"), made.stream("x", "/Type /EmbeddedFile"), catalog="/AF [100 0 R]"),
        "embedded_file",
    ),
    "portfolio": (
        "a.pdf",
        lambda: made.pdf(
            filespec("a.docx"),
            made.stream("PK", "/Type /EmbeddedFile"),
            catalog="/Collection << >> /Names << /EmbeddedFiles << /Names [(a.docx) 100 0 R] >> >>",
        ),
        "embedded_file",
    ),
    "eicar on a page": ("a.pdf", lambda: made.pdf(text=EICAR), "malware"),
    "eicar in a compressed stream": (
        "a.pdf",
        lambda: made.pdf(packed(made.EICAR.encode()), page="/PieceInfo 100 0 R"),
        "malware",
    ),
    "eicar attached": ("a.pdf", lambda: attached("eicar.com", made.EICAR), "malware"),
    "eicar attached and compressed": (
        "a.pdf",
        lambda: made.pdf(
            filespec("eicar.com"),
            packed(made.EICAR.encode(), "/Type /EmbeddedFile"),
            catalog="/Names << /EmbeddedFiles << /Names [(eicar.com) 100 0 R] >> >>",
        ),
        "malware",
    ),
    "eicar behind the end": ("a.pdf", lambda: made.pdf() + made.EICAR.encode(), "malware"),
    "half a pdf": ("a.pdf", lambda: made.pdf(pages=9)[:900], "corrupt"),
    "only a header": ("a.pdf", lambda: b"%PDF-1.7\n%%EOF\n", "corrupt"),
    "zeros behind a header": ("a.pdf", lambda: b"%PDF-1.7\n" + bytes(100_000), "corrupt"),
    "no pages": (
        "a.pdf",
        lambda: made.pdf().replace(b"/Kids [10 0 R] /Count 1", b"/Kids [] /Count 0      "),
        "corrupt",
    ),
    "page tree in a circle": (
        "a.pdf",
        lambda: made.pdf().replace(b"/Kids [10 0 R]", b"/Kids [2 0 R] "),
        "corrupt",
    ),
    "ten thousand pages": ("a.pdf", lambda: many_pages(10_000), "too_many_pages"),
    "page of kilometres": (
        "a.pdf",
        lambda: made.pdf().replace(b"[0 0 595 842]", b"[0 0 9e7 9e7]"),
        "harmless",
    ),
    "page without a side": ("a.pdf", lambda: drawn("").replace(b"[0 0 595 842]", b"[0 0 0 842]"), "harmless"),
    "stream of a gigabyte": (
        "a.pdf",
        lambda: (
            drawn("", "", packed(b"")).replace(b"/Contents 100 0 R", b"/Contents 200 0 R")
            + f"200 0 obj\n{packed(b' ' * 900_000_000)}\nendobj\n".encode("latin-1")
        ),
        "harmless",
    ),
    "drawings inside drawings": ("a.pdf", nested_forms, "harmless"),
    "picture of 60,000 by 60,000": (
        "a.pdf",
        lambda: image("/Width 60000 /Height 60000 /BitsPerComponent 1 /ColorSpace /DeviceGray", bytes(450_000_000)),
        "harmless",
    ),
    "picture that claims too much": (
        "a.pdf",
        lambda: image("/Width 2000000000 /Height 2000000000 /BitsPerComponent 8 /ColorSpace /DeviceRGB", b"abc"),
        "harmless",
    ),
    "damaged JBIG2": (
        "a.pdf",
        lambda: drawn(
            "q 500 0 0 700 40 70 cm /Im Do Q",
            "/XObject << /Im 102 0 R >>",
            made.stream(
                "\x00\x00\x00\x000\x00\x01\x00\x00\x00\x13\xff\xff\xff\xff\xff\xff\xff\xff" + "\x00" * 11,
                "/Type /XObject /Subtype /Image /Width 9000 /Height 9000 /BitsPerComponent 1 "
                "/ColorSpace /DeviceGray /Filter /JBIG2Decode",
            ),
        ),
        "harmless",
    ),
    "web page behind a pdf": (
        "a.pdf",
        lambda: made.pdf() + b"<html><script>alert(1)</script></html>",
        "type_mismatch",
    ),
    "program before a pdf": ("a.pdf", lambda: b"MZ\x90\x00" + bytes(100) + made.pdf(), "type_mismatch"),
}
