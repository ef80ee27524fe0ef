"""How much of a file is read before it is refused."""

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits of one file. `expanded_bytes` is the content of a DOCX or XLSX after decompression."""

    file_bytes: int = 50 * MEGABYTE
    pixels: int = 100_000_000
    side: int = 20_000
    pages: int = 200
    frames: int = 200
    expanded_bytes: int = 200 * MEGABYTE
    cells: int = 500_000
    ocr_pages: int = 60
    ocr_page_seconds: int = 18
    hostile_seconds: int = 20
    memory_bytes: int = 1_000 * MEGABYTE
    ocr_memory_bytes: int = 1_200 * MEGABYTE
