"""The limited child: `python -m files.reading PATH --name NAME --kind KIND --hints JSON --out FOLDER`.

Writes one JSON object to stdout, and lines of progress to stderr.
"""

import argparse
import json
import logging
import sys
from pathlib import Path

from pydantic import TypeAdapter

from files.reading.child import hints_from, read
from files.reading.limits import ReadLimits
from files.reading.result import Reading


def main() -> None:
    """Read the file that the arguments name."""
    arguments = _arguments()
    # A library's remarks on a strange file are no concern of the operator; the verdict says what matters.
    logging.disable(logging.CRITICAL)
    reading = read(
        arguments.path,
        name=arguments.name,
        kind=arguments.kind,
        hints=hints_from(json.loads(arguments.hints)),
        out=arguments.out,
        limits=ReadLimits(**json.loads(arguments.limits)),
        with_text=arguments.text,
    )
    sys.stdout.buffer.write(TypeAdapter(Reading).dump_json(reading))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="files.reading", description="Read one file inside resource limits.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--name", required=True, help="the name that the sender gave")
    parser.add_argument("--kind", required=True, choices=["transcript", "behavior_report", "payment_receipt", "other"])
    parser.add_argument("--hints", required=True, help="what the school knows, as JSON")
    parser.add_argument("--limits", default="{}", help="limits that differ from the defaults, as JSON")
    parser.add_argument("--out", type=Path, help="the folder for thumbnails")
    parser.add_argument("--text", action="store_true", help="return the text too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
