"""`python -m tests.corpus FOLDER`: write documents of the corpus with their truth, to look at and to develop with."""

import argparse
import json
from itertools import chain
from pathlib import Path

from tests.corpus.cases import scans, texts

DEVELOPMENT = 1001
"""The first of the seeds to develop with. `make accuracy` measures with seed 1, which no reader has seen."""


def main() -> None:
    """Write `--count` PDFs with text and as many pictures, and `truth.json`."""
    parser = argparse.ArgumentParser(prog="tests.corpus", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=DEVELOPMENT)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--all", action="store_true", help="held out layouts too")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    held_out = None if options.all else False
    truth = {}
    for case in chain(
        texts(options.seed, options.count, held_out=held_out), scans(options.seed, options.count, held_out=held_out)
    ):
        (options.folder / case.name).write_bytes(case.content)
        rows = [{"subject": subject, "grade": grade} for subject, grade in case.rows]
        country = {"country": case.facts["country"], "currency": case.facts["currency"]}
        truth[case.name] = {"kind": case.kind, "fields": case.fields, "rows": rows, "hints": country}
    (options.folder / "truth.json").write_text(json.dumps(truth, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
