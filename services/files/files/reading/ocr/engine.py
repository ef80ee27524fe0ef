"""The OCR models, on one thread: several documents are read side by side, in processes."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidocr import RapidOCR
from rapidocr.ch_ppocr_det import TextDetOutput
from rapidocr.inference_engine.onnxruntime.main import ONNXRuntimeError
from rapidocr.utils.process_img import get_rotate_crop_image

DETECTION_LONG_SIDE = 1_280
DETECTION_SHORT_SIDE = 640
"""Text is searched in a picture reduced to these sides, and recognised in the full one. A receipt is long: the shorter
side decides there."""
DETECTION_LONGEST = 2_560
SMALLEST_LONG_SIDE = 736
"""Smaller pictures are enlarged: letters of a few pixels are not found."""
RECOGNITION_SHAPE = [3, 48, 96]
"""Channels, height, smallest width. Short cells of tables are most of a page; wider ones cost accordingly."""

WIDE = 20
"""Texts that are longer, in heights, are recognised one by one: a batch of them takes more memory than a page."""
OUT_OF_MEMORY = ("bad_alloc", "Failed to allocate")

Picture = NDArray[np.uint8]
Corners = NDArray[np.float32]


@cache
def _models() -> RapidOCR:
    cv2.setNumThreads(1)
    return RapidOCR(
        params={
            # Its classifier turns short cells upside down ("C+" becomes "+0"); orientation.py decides for the page.
            "Global.use_cls": False,
            "Global.log_level": "error",
            # Sizes are chosen in `find`.
            "Global.use_preprocess_img": False,
            "Det.limit_type": "max",
            "Det.limit_side_len": DETECTION_LONGEST,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Rec.rec_img_shape": RECOGNITION_SHAPE,
        }
    )


def find(picture: Picture) -> list[Corners]:
    """Return the four corners of each text, clockwise from its top left, in pixels of the picture."""
    scale = _detection_scale(*picture.shape[:2])
    smaller = picture if scale == 1 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=_method(scale))
    found = _models()(smaller, use_det=True, use_rec=False)
    if not isinstance(found, TextDetOutput) or found.boxes is None:
        return []
    return [np.asarray(corners, dtype=np.float32) / scale for corners in found.boxes]


def _detection_scale(height: int, width: int) -> float:
    long, short = max(height, width), min(height, width)
    if long < SMALLEST_LONG_SIDE:
        return SMALLEST_LONG_SIDE / long
    wanted = min(DETECTION_LONGEST, max(DETECTION_LONG_SIDE, DETECTION_SHORT_SIDE * long / short))
    return min(1.0, wanted / long)


def _method(scale: float) -> int:
    return cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC


def recognise(picture: Picture, places: list[Corners]) -> list[tuple[str, float]]:
    """Return text and confidence of each place."""
    return recognise_cuttings([get_rotate_crop_image(picture, corners) for corners in places])


def recognise_cuttings(cuttings: list[Picture]) -> list[tuple[str, float]]:
    """Return text and confidence of pictures that show one line of text each. Raises MemoryError."""
    short = [index for index, cutting in enumerate(cuttings) if cutting.shape[1] <= WIDE * cutting.shape[0]]
    wide = [[index] for index, cutting in enumerate(cuttings) if cutting.shape[1] > WIDE * cutting.shape[0]]
    found: dict[int, tuple[str, float]] = {}
    for batch in ([short] if short else []) + wide:
        found |= zip(batch, _recognised([cuttings[index] for index in batch]), strict=True)
    return [found[index] for index in range(len(cuttings))]


def _recognised(cuttings: list[Picture]) -> list[tuple[str, float]]:
    try:
        result = _models().recognize_txt(cuttings)
    except ONNXRuntimeError as error:
        if any(sign in str(error) for sign in OUT_OF_MEMORY):
            raise MemoryError from error
        raise
    return [(text, float(score)) for text, score in zip(result.txts or (), result.scores or (), strict=True)]
