"""`python -m cli.operations.log_tools`: use the event log again after a mistake or for a new consumer.

It runs beside the service with the same environment, without the API.
"""

import argparse
import asyncio
import datetime as dt
import sys
from collections.abc import Sequence

from cli.operations.service_builders import BUILDS
from cli.terminal import complain, say
from shared.errors import HistoryMissing, Refused
from shared.replays.backfill import backfill
from shared.replays.reading import check_reaction
from shared.replays.rebuild import rebuild, rewind
from shared.service.service import Service


def main(arguments: Sequence[str]) -> int:
    """Run one verb; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_run(options, BUILDS[options.service]()))
    except (Refused, HistoryMissing) as problem:
        complain(str(problem))
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cli.operations.log_tools", description="Use the event log again")
    verbs = parser.add_subparsers(required=True, dest="verb", metavar="VERB")
    for name, text in (
        ("resync", "emit the present state of an owner as events"),
        ("rebuild", "rebuild a projection in shadow tables, then swap them in"),
        ("rewind", "read the whole log again into the rows of a projection"),
        ("backfill", "put the log's messages of a topic into the queue of a reaction; the inbox skips handled ones"),
    ):
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument("service", choices=sorted(BUILDS))
        if name == "backfill":
            verb.add_argument("topic")
            verb.add_argument(
                "--since",
                type=dt.datetime.fromisoformat,
                help="such as 2026-11-25T08:00:00+00:00",
            )
        elif name != "resync":
            verb.add_argument("projection")
        if name == "rebuild":
            verb.add_argument(
                "--force", action="store_true", help="even if the log is incomplete or unreadable in part"
            )
    return parser


async def _run(options: argparse.Namespace, service: Service) -> None:
    if options.verb == "backfill":
        check_reaction(service, options.topic)
        url, oldest = service.settings.amqp_url.get_secret_value(), service.settings.inbox_reaches_to()
        say(f"{await backfill(url, service.name, options.topic, options.since, oldest)} messages put into the queue")
        return
    await service.database.open()
    try:
        if options.verb == "rebuild":
            found = await rebuild(service, options.projection, force=options.force)
            for table, rows in found.changed.items():
                say(f"{table}: {rows} rows corrected" if rows else f"{table}: already correct")
        elif options.verb == "rewind":
            await rewind(service, options.projection)
        elif not service.resyncs:
            raise Refused(f"{service.name} owns no state that it could emit again")
        else:
            for name, resync in service.resyncs.items():
                say(f"{name}: {await resync(service.transactions)} events emitted")
    finally:
        await service.database.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
