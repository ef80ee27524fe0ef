"""Makes small files of all kinds, harmless and hostile ones, so that the repository holds none."""

import io
import zipfile

import docx
import numpy as np
import openpyxl
from PIL import Image, ImageDraw, ImageFont

EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}" + "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
RECEIPT = ("Hill School (demo)", "Receipt 2026-117", "Date 2026-11-03", "Trip to the museum 45.00", "Total EUR 45.00")


def pdf(*extra: str, catalog: str = "", page: str = "", text: str = "Total EUR 45.00 paid with thanks", pages: int = 1):
    """A PDF of `pages` pages with a line of text; `extra` objects start at number 100."""
    kids = " ".join(f"{10 + 2 * index} 0 R" for index in range(pages))
    objects = {
        1: f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        2: f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>",
        3: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    for index in range(pages):
        content = f"BT /F1 14 Tf 72 720 Td ({text}) Tj ET"
        objects[10 + 2 * index] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {11 + 2 * index} 0 R "
            f"/Resources << /Font << /F1 3 0 R >> >> {page} >>"
        )
        objects[11 + 2 * index] = f"<< /Length {len(content)} >>\nstream\n{content}\nendstream"
    objects |= {100 + index: body for index, body in enumerate(extra)}
    return assemble(objects)


def assemble(objects: dict[int, str]) -> bytes:
    """Objects by number, with a cross-reference table."""
    out = bytearray(b"%PDF-1.7\n")
    places = {}
    for number, body in objects.items():
        places[number] = len(out)
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    start, size = len(out), max(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n".encode()
    for number in range(1, size):
        out += (f"{places[number]:010} 00000 n \n" if number in places else "0000000000 00000 f \n").encode()
    out += f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def stream(content: str, entries: str = "") -> str:
    """A stream object."""
    return f"<< {entries} /Length {len(content)} >>\nstream\n{content}\nendstream"


def picture(lines: tuple[str, ...] = RECEIPT, size: tuple[int, int] = (700, 420)) -> Image.Image:
    """A picture of lines of text."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(32)
    for index, line in enumerate(lines):
        draw.text((40, 30 + 70 * index), line, fill="black", font=font)
    return image


def saved(image: Image.Image, form: str, **options) -> bytes:
    """A picture in one of Pillow's formats."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def noise(width: int, height: int) -> Image.Image:
    """A photo-like picture that compresses badly."""
    values = np.random.default_rng(1).integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def scan(image: Image.Image | None = None) -> bytes:
    """A PDF that holds only a picture."""
    return saved(image or picture(size=(1240, 1754)), "PDF", resolution=150.0)


def document(*, paragraphs: tuple[str, ...] = RECEIPT, table: tuple[tuple[str, ...], ...] = ()) -> bytes:
    """A DOCX."""
    made = docx.Document()
    for text in paragraphs:
        made.add_paragraph(text)
    if table:
        grid = made.add_table(len(table), len(table[0]))
        for row, cells in enumerate(table):
            for column, cell in enumerate(cells):
                grid.cell(row, column).text = cell
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def workbook(
    rows: list[list[object]],
    *,
    epoch_1904: bool = False,
    formats: dict[str, str] | None = None,
    hidden: list[list[object]] | None = None,
    far: tuple[str, object] | None = None,
) -> bytes:
    """An XLSX; formulas have no stored values, since no spreadsheet program saved it."""
    made = openpyxl.Workbook()
    if epoch_1904:
        made.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    sheet = made.active
    for row in rows:
        sheet.append(row)
    for place, pattern in (formats or {}).items():
        sheet[place].number_format = pattern
    if far:
        sheet[far[0]] = far[1]
    if hidden:
        other = made.create_sheet("Hidden")
        other.sheet_state = "hidden"
        for row in hidden:
            other.append(row)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def member(archive: bytes, name: str) -> bytes:
    """The content of a member of an archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.read(name)


def with_member(archive: bytes, name: str, content: bytes) -> bytes:
    """The same archive with one more member, or with another content of one."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            if member.filename != name:
                new.writestr(member.filename, old.read(member))
        new.writestr(name, content)
    return out.getvalue()
