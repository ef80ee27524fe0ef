"""Pictures of pages, small enough for a repository."""

import io

from PIL import Image

COLORS = 256


async def keep(page, path, *, whole=True):
    """Write what a page shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = Image.open(io.BytesIO(await page.screenshot(full_page=whole, animations="disabled")))
    drawn.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
