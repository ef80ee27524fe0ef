"""Whether a PDF page is a picture of text; it may have a few words as text too: a scanner's stamp, a page number."""

import pypdfium2
from pypdfium2 import raw

DRAWN = (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING, raw.FPDF_PAGEOBJ_FORM)
FEW_WORDS = 40
PICTURE_SHARE = 0.3
MANY_PATHS = 200
"""Text that was turned into outlines has hundreds of paths; a ruled table has fewer."""
DEPTH = 4


def is_picture(page: pypdfium2.PdfPage, words: int) -> bool:
    """Whether the page has to be read by OCR, given the number of words in its text layer."""
    if words >= FEW_WORDS:
        return False
    width, height = page.get_size()
    images, paths = 0.0, 0
    for drawn in page.get_objects(filter=DRAWN, max_depth=DEPTH):
        if drawn.type == raw.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = drawn.get_bounds()
            images += max(0.0, right - left) * max(0.0, top - bottom)
        else:
            paths += 1
        if images >= PICTURE_SHARE * width * height or paths >= MANY_PATHS:
            return True
    return words == 0 and (images > 0 or paths > 0)
