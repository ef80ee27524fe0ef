"""Pictures of pages, small enough for a repository."""

import asyncio
import io

from PIL import Image

COLORS = 256


async def keep(page, path, *, whole=True):
    """Write what a page shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(_write, await page.screenshot(full_page=whole, animations="disabled"), path)


def _write(content, path):
    drawn = Image.open(io.BytesIO(content)).convert("RGB")
    drawn.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
