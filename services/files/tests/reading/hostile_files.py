"""Makes files that attack or break what reads them, each with the code of its refusal.

Each is made when its test runs: some take a second.
"""

import struct
import zlib

from services.files.tests.reading import made_files as made


def huge_png(width=30_000, height=30_000) -> bytes:
    """A picture of that size in about a hundred kilobytes."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width // 8 + 1)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def script(body="app.alert(1)", name="/JavaScript"):
    return f"<< /S {name} /JS ({body}) >>"


def field(action: str) -> str:
    return f"<< /Type /Annot /Subtype /Widget /FT /Tx /T (a) /Rect [0 0 9 9] /AA << /F {action} >> >>"


def filespec(name):
    return f"<< /Type /Filespec /F ({name}) /UF ({name}) /EF << /F 101 0 R >> >>"


def attached(name, content):
    return made.pdf(
        filespec(name),
        made.stream(content, "/Type /EmbeddedFile"),
        catalog=f"/Names << /EmbeddedFiles << /Names [({name}) 100 0 R] >> >>",
    )


GIF = made.saved(
    made.picture(size=(20, 20)), "GIF", save_all=True, append_images=[made.noise(20, 20 + n) for n in range(9)]
)
TIFF = made.saved(made.noise(40, 40), "TIFF", save_all=True, append_images=[made.noise(40, 40)] * 9)
JPEG = made.saved(made.picture(), "JPEG")
DOCX = made.document()
XLSX = made.workbook([["Subject", "Grade"]])
HOSTILE = {
    "empty": ("a.pdf", lambda: b"", "empty"),
    "truncated pdf": ("a.pdf", lambda: b"%PDF-1.7\n1 0 obj\n<< /Type /Cat", "corrupt"),
    "truncated jpeg": ("a.jpg", lambda: JPEG[: len(JPEG) // 3], "corrupt"),
    "truncated png": ("a.png", lambda: made.saved(made.noise(300, 300), "PNG")[:9_000], "corrupt"),
    "truncated docx": ("a.docx", lambda: DOCX[: len(DOCX) // 2], "corrupt"),
    "random bytes": ("a.pdf", lambda: bytes(range(256)) * 40, "type_mismatch"),
    "program": ("a.exe", lambda: b"MZ\x90\x00" + bytes(200), "type_not_allowed"),
    "program named as a picture": ("a.jpg", lambda: b"MZ\x90\x00" + bytes(200), "type_mismatch"),
    "svg with a script": ("a.svg", lambda: b"<svg xmlns='x'><script>alert(1)</script></svg>", "type_not_allowed"),
    "html": ("a.html", lambda: b"<!DOCTYPE html><html></html>", "type_not_allowed"),
    "plain archive": (
        "a.zip",
        lambda: made.with_member(DOCX, "word/document.xml", b"x").replace(b"word/", b"w0rd/"),
        "type_not_allowed",
    ),
    "old word": ("a.doc", lambda: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2_000), "type_not_allowed"),
    "encrypted docx": (
        "a.docx",
        lambda: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600),
        "encrypted",
    ),
    "pdf behind junk": ("a.pdf", lambda: b"GIF89a junk" + made.pdf(), "type_mismatch"),
    "web page in a picture": ("a.jpg", lambda: JPEG + b"<html><script>alert(1)</script></html>", "type_mismatch"),
    "archive behind a picture": ("a.jpg", lambda: JPEG + DOCX, "type_mismatch"),
    "archive behind a pdf": ("a.pdf", lambda: made.pdf() + DOCX, "type_mismatch"),
    "too many bytes": ("a.txt", lambda: b"a" * 30_000_001, "too_large"),
    "too many pixels": ("a.png", huge_png, "too_large"),
    "too long a side": ("a.png", lambda: huge_png(8, 60_000), "too_large"),
    "too many pages": ("a.pdf", lambda: made.pdf(pages=21), "too_many_pages"),
    "too many frames, gif": ("a.gif", lambda: GIF, "too_many_frames"),
    "too many frames, tiff": ("a.tif", lambda: TIFF, "too_many_frames"),
    "bomb in docx": ("a.docx", lambda: made.with_member(DOCX, "word/media/a.xml", bytes(30_000_000)), "bomb"),
    "bomb in xlsx": ("a.xlsx", lambda: made.with_member(XLSX, "xl/worksheets/sheet9.xml", bytes(41_000_000)), "bomb"),
    "entities in docx": (
        "a.docx",
        lambda: made.with_member(DOCX, "word/header1.xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"),
        "bomb",
    ),
    "macros in docx": ("a.docx", lambda: made.with_member(DOCX, "word/vbaProject.bin", b"x"), "active_content"),
    "macros in xlsx": ("a.xlsx", lambda: made.with_member(XLSX, "xl/vbaProject.bin", b"x"), "active_content"),
    "remote template": (
        "a.docx",
        lambda: made.with_member(
            DOCX,
            "word/_rels/settings.xml.rels",
            b'<Relationship Type="x/attachedTemplate" Target="http://example.org" TargetMode="External"/>',
        ),
        "active_content",
    ),
    "file in docx": ("a.docx", lambda: made.with_member(DOCX, "word/embeddings/oleObject1.bin", b"x"), "embedded_file"),
    "eicar": ("a.txt", made.EICAR.encode, "malware"),
    "eicar inside a text": ("a.csv", lambda: b"a,b\n" + made.EICAR.encode() + b"\n", "malware"),
    "eicar in docx": ("a.docx", lambda: made.with_member(DOCX, "word/media/a.bin", made.EICAR.encode()), "malware"),
    "eicar in utf-16": ("a.txt", lambda: b"\xff\xfe" + made.EICAR.encode("utf-16-le"), "malware"),
    "script when opened": ("a.pdf", lambda: made.pdf(catalog=f"/OpenAction {script()}"), "active_content"),
    "script with an escaped name": (
        "a.pdf",
        lambda: made.pdf(catalog=f"/OpenAction {script(name='/J#61vaScript')}"),
        "active_content",
    ),
    "script of the document": (
        "a.pdf",
        lambda: made.pdf(script("AFNumber_Format(2)"), catalog="/Names << /JavaScript << /Names [(a) 100 0 R] >> >>"),
        "active_content",
    ),
    "script of a page": ("a.pdf", lambda: made.pdf(page=f"/AA << /O {script()} >>"), "active_content"),
    "script of a field": ("a.pdf", lambda: made.pdf(field(script()), page="/Annots [100 0 R]"), "active_content"),
    "launch": (
        "a.pdf",
        lambda: made.pdf(page="/Annots [<< /Subtype /Link /Rect [0 0 9 9] /A << /S /Launch /F (cmd.exe) >> >>]"),
        "active_content",
    ),
    "submit": (
        "a.pdf",
        lambda: made.pdf(catalog="/OpenAction << /S /SubmitForm /F (http://example.org) >>"),
        "active_content",
    ),
    "address when opened": (
        "a.pdf",
        lambda: made.pdf(catalog="/OpenAction << /S /URI /URI (http://example.org) >>"),
        "active_content",
    ),
    "attachment": ("a.pdf", lambda: attached("notes.txt", "hello"), "embedded_file"),
    "attachment that only has an invoice's name": (
        "a.pdf",
        lambda: attached("factur-x.xml", "MZ program"),
        "embedded_file",
    ),
    "attachment at a comment": (
        "a.pdf",
        lambda: made.pdf(
            filespec("a.exe"),
            made.stream("MZ", "/Type /EmbeddedFile"),
            page="/Annots [<< /Subtype /FileAttachment /Rect [0 0 9 9] /FS 100 0 R >>]",
        ),
        "embedded_file",
    ),
    "form that says please wait": (
        "a.pdf",
        lambda: made.pdf(
            made.stream("<xdp/>"),
            catalog="/NeedsRendering true /AcroForm << /Fields [] /XFA 100 0 R >>",
            text="Please wait... If this message is not eventually replaced",
        ),
        "unsupported_form",
    ),
}
