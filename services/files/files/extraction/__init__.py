"""From text with places to fields: pure functions from a `Document` and what the school knows to a `Finding`."""

from files.extraction.extractor import Extractor, extract
from files.extraction.matching import Candidate, Match, Printed, match_person
from files.extraction.review import needs_review

__all__ = ["Candidate", "Extractor", "Match", "Printed", "extract", "match_person", "needs_review"]
