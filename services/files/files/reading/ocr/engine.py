"""The OCR models, on one thread: several documents are read side by side, in processes."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidocr import RapidOCR
from rapidocr.ch_ppocr_det import TextDetOutput
from rapidocr.utils.process_img import get_rotate_crop_image

DETECTION_SIDE = 1_600
"""Longest side of the picture in which text is searched. Text is then recognised in the full picture."""
RECOGNITION_SHAPE = [3, 48, 96]
"""Channels, height, smallest width. Short cells of tables are most of a page; wider ones cost accordingly."""

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
            "Global.max_side_len": DETECTION_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Rec.rec_img_shape": RECOGNITION_SHAPE,
        }
    )


def find(picture: Picture) -> list[Corners]:
    """Return the four corners of each text, clockwise from its top left, in pixels of the picture."""
    found = _models()(picture, use_det=True, use_rec=False)
    if not isinstance(found, TextDetOutput) or found.boxes is None:
        return []
    return [np.asarray(corners, dtype=np.float32) for corners in found.boxes]


def recognise(picture: Picture, places: list[Corners]) -> list[tuple[str, float]]:
    """Return text and confidence of each place."""
    return recognise_cuttings([get_rotate_crop_image(picture, corners) for corners in places])


def recognise_cuttings(cuttings: list[Picture]) -> list[tuple[str, float]]:
    """Return text and confidence of pictures that show one line of text each."""
    if not cuttings:
        return []
    result = _models().recognize_txt(cuttings)
    return [(text, float(score)) for text, score in zip(result.txts or (), result.scores or (), strict=True)]
