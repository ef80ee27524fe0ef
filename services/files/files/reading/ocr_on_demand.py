"""The only way to OCR.

The import is inside the function: ONNX Runtime, the models and OpenCV take half a second and hundreds of megabytes,
which a document with a text layer must not pay for.
"""

from PIL import Image

from files.domain.document import Page


def read_page(image: Image.Image, number: int, size: tuple[float, float] | None = None) -> tuple[Page, bool]:
    """Read a picture of a page. Returns the page and whether its script is one that the models carry."""
    from files.reading.ocr import page  # noqa: PLC0415

    return page.read(image, number, size)


def read_lines(pictures: list[Image.Image]) -> list[str]:
    """Read pictures that show one line of text each."""
    from files.reading.ocr import page  # noqa: PLC0415

    return page.read_lines(pictures)
