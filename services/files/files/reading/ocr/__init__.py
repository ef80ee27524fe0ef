"""OCR: pictures become words with places. Only reading.ocr_on_demand imports this, when a page needs it."""
