"""From a file to a Document, or to a refusal with its code: decoders, OCR, and the limited child that runs them."""
