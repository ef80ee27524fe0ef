"""Pictures and scans that are read by OCR, whatever their format, colours and orientation."""

import io

import fontpkg.pil
import pytest
from PIL import Image, ImageDraw, ImageOps

from files.reading import pictures
from files.reading.limits import ReadLimits
from files.reading.reader import read_document
from services.files.tests.reading import made_files as made

LIMITS = ReadLimits()
EXIF_ORIENTATION = 274


@pytest.fixture
def read(tmp_path):
    def read(content: bytes, name="photo.jpg"):
        path = tmp_path / "file"
        path.write_bytes(content)
        return read_document(path, declared_name=name, limits=LIMITS, on_page=lambda *_: None)

    return read


def texts(document):
    return [line.text.replace(" ", "") for page in document.pages for line in page.lines]


EXPECTED = [line.replace(" ", "") for line in made.RECEIPT]


def upright(content, media_type, path):
    path.write_bytes(content)
    return [page for page, _ in pictures.pages(path, media_type, LIMITS)]


@pytest.mark.parametrize("turns", [0, 90, 180, 270])
def test_picture_is_read_whichever_way_up(read, turns):
    image = made.picture().rotate(turns, expand=True)

    page = read(made.saved(image, "PNG")).pages[0]

    assert [line.text.replace(" ", "") for line in page.lines] == EXPECTED
    assert (page.width, page.height) == (700, 420)
    assert all(word.source == "ocr" and word.confidence > 0.8 for line in page.lines for word in line.words)
    tops = [line.words[0].box.y0 for line in page.lines]
    assert tops == sorted(tops)


def test_slanted_receipt_has_its_lines(read):
    lines = [f"Item number {index}" for index in range(1, 9)]
    image = made.picture(tuple(lines), size=(900, 620))
    right = made.picture(tuple(f"{index}.50" for index in range(1, 9)), size=(300, 620))
    image.paste(right, (600, 0))

    page = read(made.saved(image.rotate(4, fillcolor="white", expand=True), "JPEG")).pages[0]

    assert [line.text.replace(" ", "") for line in page.lines] == [
        f"Itemnumber{index}{index}.50" for index in range(1, 9)
    ]
    assert page.turned == pytest.approx(-4, abs=0.7)


def test_scan_in_a_pdf_is_read(read):
    document = read(made.scan(), "scan.pdf")

    assert texts(document) == EXPECTED
    assert document.media_type == "application/pdf"
    assert document.pages[0].lines[0].words[0].source == "ocr"


@pytest.mark.parametrize("form", ["HEIF", "WEBP", "TIFF", "GIF"])
def test_other_formats_are_read(read, form):
    document = read(made.saved(made.picture(), form))

    assert texts(document) == EXPECTED


def test_motion_photo_and_second_picture_of_a_phone_are_a_jpeg(read):
    photo = made.picture()
    out = io.BytesIO()
    photo.save(out, "MPO", save_all=True, append_images=[made.noise(64, 64)])
    video = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(500)

    document = read(out.getvalue() + video)

    assert document.media_type == "image/jpeg"
    assert texts(document) == EXPECTED


def test_wrong_extension_alone_is_no_reason_to_refuse(read):
    assert texts(read(made.saved(made.picture(), "PNG"), "receipt.pdf")) == EXPECTED


def test_each_page_of_a_tiff_is_a_page(read):
    pages = [made.picture((f"Page {number} of the form",), size=(500, 120)) for number in (1, 2, 3)]

    document = read(made.saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))

    assert [page.lines[0].text.replace(" ", "") for page in document.pages] == [
        f"Page{number}oftheform" for number in (1, 2, 3)
    ]


def test_script_that_the_models_do_not_carry_is_a_notice(read):
    assert "script_not_supported" in read(made.saved(arabic(), "PNG")).notices
    assert read(made.saved(made.picture(), "PNG")).notices == ()


def arabic() -> Image.Image:
    image = Image.new("RGB", (700, 420), "white")
    font = fontpkg.pil.truetype("Noto Sans Arabic", 32)
    for index, line in enumerate(("شهادة مدرسية", "اسم الطالب", "الرياضيات", "اللغة العربية", "المجموع الكلي")):
        ImageDraw.Draw(image).text((300, 30 + 70 * index), line, fill="black", font=font)
    return image


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    content = made.saved(made.picture().rotate(90, expand=True), "JPEG", exif=exif)

    (page,) = upright(content, "image/jpeg", tmp_path / "a")

    assert page.size == (700, 420)


def test_fax_has_square_pixels(tmp_path):
    content = made.saved(made.picture(size=(1728, 1100)).convert("1"), "TIFF", dpi=(204, 98), compression="group4")

    (page,) = upright(content, "image/tiff", tmp_path / "a")

    assert page.size == (1728, round(1100 * 204 / 98))


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "P", "RGBA", "LA", "I;16"])
def test_every_kind_of_colour_becomes_rgb_with_dark_text_on_white(tmp_path, mode):
    image = made.picture()
    form = "TIFF" if mode == "CMYK" else "PNG"
    if mode in {"RGBA", "LA"}:
        image = image.convert(mode)
        image.putalpha(ImageOps.invert(made.picture().convert("L")))
    elif mode == "I;16":
        image = image.convert("L").convert("I").point(lambda value: value * 40).convert("I;16")
    else:
        image = image.convert(mode)

    (page,) = upright(made.saved(image, form), "image/tiff" if form == "TIFF" else "image/png", tmp_path / "a")

    assert page.mode == "RGB"
    assert page.convert("L").getextrema() == pytest.approx((0, 255), abs=25)
    assert page.getpixel((1, 1)) == pytest.approx((255, 255, 255), abs=3)


def test_large_picture_is_reduced_for_ocr(tmp_path):
    (page,) = upright(made.saved(made.noise(6_000, 4_500), "JPEG"), "image/jpeg", tmp_path / "a")

    assert max(page.size) == pictures.OCR_SIDE
