"""The `schoolconnect` command: run the local stack, and run the steps of a deployment."""

import argparse
import datetime as dt
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import get_args

import httpx
import structlog

from cli.demo import player
from cli.layout import Layout, layout
from cli.operations import (
    event_log,
    failures,
    first_administrator,
    make_reports,
    migrate,
    operator_api,
    operator_verbs,
    replays,
    tokens,
)
from cli.processes.keys import SIGNING
from cli.processes.lock import AlreadyRunning
from cli.stack import first_screen, lifecycle
from cli.terminal import complain, say
from cli.testing import bench_runner, environment
from shared.errors import Refused
from shared.events.reports import ReportFormat, ReportKind, ReportLanguage
from shared.events.values import Role


def main() -> None:
    """Entry point of the command."""
    _open_standard_streams()
    # stdout has the results of a verb only, such as the JSON of `files read`.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    sys.exit(command(sys.argv[1:]))


def _open_standard_streams() -> None:
    """Open what is closed of stdin, stdout and stderr: the next opened file would get its number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # open() returns the lowest free number: this one.
            os.open(os.devnull, os.O_RDWR)


def command(arguments: Sequence[str]) -> int:
    """Run one verb and return its exit code."""
    options = _parser().parse_args(arguments)
    verb: Callable[[argparse.Namespace], int] = options.verb
    try:
        return verb(options)
    except AlreadyRunning as problem:
        complain(f"{problem}. Stop it with `make down`.")
    except Refused as problem:
        complain(str(problem))
    except KeyboardInterrupt:
        return 130
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="schoolconnect", description="Run SchoolConnect on this machine")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, text: str, act: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(verb=act)
        return added

    run = verb("run", "run the whole system in the foreground", lambda o: lifecycle.run(layout(), o.name))
    run.add_argument("--as", dest="name", default="make run", help=argparse.SUPPRESS)
    verb(
        "up",
        "start the whole system in the background and wait until it is ready",
        lambda _: lifecycle.up(layout()),
    )
    verb("down", "stop the system", lambda _: lifecycle.down(layout()))
    verb("reset", "stop the system and remove its data", lambda _: lifecycle.reset(layout()))
    verb("demo", "play a school day and check that its figures reconcile", _demo)
    token = verb("token", "print a bearer token for the local stack", _token)
    token.add_argument("--role", required=True, choices=get_args(Role))
    token.add_argument("--school", default="", help="id or sourcedId")
    first = verb("administrator", "invite the first administrator of the group", _administrator)
    first.add_argument("--given-name", required=True)
    first.add_argument("--family-name", required=True)
    first.add_argument("--gateway", default="", help="URL of the gateway (default: the local stack's)")
    first.add_argument("--key", type=Path, default=None, help="file of the signing key (default: the local stack's)")
    verb("migrate", "bring the database's schemas up to date", lambda _: migrate.migrate() * 0)
    failures.add(verb("failures", "see, retry and discard messages that failed for good", _failures))
    operator_verbs.add_tasks(verb("tasks", "see and cancel tasks", _operate))
    operator_verbs.add_queues(verb("queues", "see, pause and resume queues", _operate))
    operator_verbs.add_workers(verb("workers", "see and drain workers", _operate))
    operator_verbs.add_people(verb("people", "export all data of one person", _operate))
    event_log.add(verb("log", "see the event log", _log))
    replays.add_replay(verb("replay", "read the log again into a projection of a service", _replay))
    replays.add_react(verb("react", "let a service react to events of the log that it has not handled", _replay))
    replays.add_resync(verb("resync", "publish the state of an owner again", _replay))
    _add_files(verb("files", "read documents without the stack", _read_files))
    _add_reports(verb("reports", "make reports over the API", _make_reports))
    test = verb("test", "run the tests on their own RabbitMQ and PostgreSQL", lambda o: environment.run(o.arguments))
    test.add_argument("arguments", nargs="*", help="arguments for pytest, after --")
    for name, text in bench_runner.VERBS.items():
        measure = verb(name, text, partial(_measure, name))
        measure.add_argument("--only", default="", help="run only this scenario")
        measure.add_argument("--seed", type=int, default=1, help="seed of the random generator")
    return parser


def _add_files(files: argparse.ArgumentParser) -> None:
    """Add `files read`."""
    text = "read local files as the service does, and print what they say"
    codes = "Exit codes: 0 if every file was accepted, 1 if a path is no readable file, 3 if a file was refused."
    read = files.add_subparsers(required=True, metavar="VERB").add_parser(
        "read", help=text, description=text, epilog=codes
    )
    read.set_defaults(verb=_read_files)
    read.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    read.add_argument("--kind", required=True, choices=("receipt", "transcript", "behavior"))
    read.add_argument("--json", action="store_true", help="print one JSON object for each file, each on a line")
    read.add_argument("--country", help="ISO 3166 code: settles the order of day and month")
    read.add_argument("--currency", help="ISO 4217 code: settles an amount without a currency")
    read.add_argument("--language", action="append", help="BCP 47 code of an expected language; may be repeated")
    day = "the day of the upload: a date far from it needs a review (default: no date does)"
    read.add_argument("--uploaded-on", type=dt.date.fromisoformat, default=None, metavar="DATE", help=day)


def _add_reports(reports: argparse.ArgumentParser) -> None:
    """Add `reports make`."""
    text = "request a report, wait until it is ready, and save its files"
    codes = (
        "The token is read from SCHOOLCONNECT_TOKEN. Exit codes: 0 if the files are saved, 1 if the report failed or "
        "the gateway does not answer, 3 if the gateway refused the request, 4 if the report is not ready in time."
    )
    make = reports.add_subparsers(required=True, metavar="VERB").add_parser(
        "make", help=text, description=text, epilog=codes
    )
    make.set_defaults(verb=_make_reports)
    make.add_argument("kind", choices=get_args(ReportKind))
    make.add_argument("period", help="a month (2026-11), or the first and last day (2026-09-01/2026-12-18)")
    make.add_argument("--school", help="id or sourcedId; needed by a token of the whole group")
    make.add_argument("--student", help="id of the student, for student_progress")
    make.add_argument("--grade", help="the grade, for grade_progress")
    make.add_argument("--language", choices=get_args(ReportLanguage))
    make.add_argument("--format", action="append", choices=get_args(ReportFormat), help="may be repeated")
    make.add_argument("--replaces", help="id of the report that this one corrects")
    make.add_argument("--reason", help="why it is corrected")
    make.add_argument("--to-share", action="store_true", help="leave out small counts and all about single people")
    make.add_argument("--force", action="store_true", help="make it again although an equal one exists")
    make.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help="where to save (default: here)")
    make.add_argument("--timeout", type=float, default=300, metavar="SECONDS", help="how long to wait (default: 300)")
    make.add_argument("--json", action="store_true", help="print the report's id and its files as one JSON object")
    make.add_argument("--gateway", default="", help="URL of the gateway (default: the local stack's)")


def _make_reports(options: argparse.Namespace) -> int:
    gateway = options.gateway.rstrip("/") or str(_contract(layout())["gateway"])
    return make_reports.run(options, gateway)


def _read_files(options: argparse.Namespace) -> int:
    # Imported here only: the other verbs must work when a service cannot be imported.
    code: int = import_module("cli.operations.read_files").run(options)
    return code


def _contract(here: Layout) -> dict[str, object]:
    if not here.stack.exists():
        raise Refused("the stack is not running; start it with `make up` or `make run`")
    found: dict[str, object] = json.loads(here.stack.read_text())
    return found


def _demo(_: argparse.Namespace) -> int:
    here = layout()
    started_here = not here.stack.exists()
    if started_here and (code := lifecycle.up(here)):
        return code
    try:
        return player.main(first_screen.demo_stack(here, _contract(here)))
    finally:
        if started_here:
            lifecycle.down(here)


def _measure(name: str, options: argparse.Namespace) -> int:
    return bench_runner.run(name, options.only, options.seed)


def _administrator(options: argparse.Namespace) -> int:
    here = layout()
    gateway = options.gateway.rstrip("/") or str(_contract(here)["gateway"])
    key = options.key or here.secrets / SIGNING
    if not key.exists():
        raise Refused(f"there is no signing key at {key}")
    say(
        first_administrator.screen(
            gateway, first_administrator.invite(key, gateway, options.given_name, options.family_name)
        )
    )
    return 0


def _failures(options: argparse.Namespace) -> int:
    with _operator(options) as client:
        return failures.run(options, client, _confirm)


def _replay(options: argparse.Namespace) -> int:
    with _operator(options) as client:
        return replays.run(options, client, _confirm)


def _operate(options: argparse.Namespace) -> int:
    with _operator(options) as client:
        return operator_verbs.run(options, client)


def _log(options: argparse.Namespace) -> int:
    with _operator(options) as client:
        return event_log.run(options, client)


def _confirm(question: str) -> bool:
    return input(f"{question} [y/N] ").strip().lower() == "y"


def _operator(options: argparse.Namespace) -> httpx.Client:
    """Return a client of the gateway, as an administrator of the group."""
    here = layout()
    gateway = options.gateway.rstrip("/") or str(_contract(here)["gateway"])
    token = os.environ.get("SCHOOLCONNECT_TOKEN")
    if token is None:
        key = here.secrets / SIGNING
        if options.gateway or not key.exists():
            raise Refused("set SCHOOLCONNECT_TOKEN to a token or an API key of an operator")
        token = tokens.make(key, "platform_admin")
    bearer = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=gateway, headers=bearer, timeout=operator_api.TIMEOUT, trust_env=False)


def _token(options: argparse.Namespace) -> int:
    here = layout()
    key = here.secrets / SIGNING
    if not key.exists():
        raise Refused("there is no stack yet; start one with `make up` or `make run`")
    if options.role == "platform_admin":
        say(tokens.make(key, options.role))
        return 0
    if not options.school:
        raise Refused(f"the role {options.role} needs SCHOOL=<id or sourcedId>")
    say(tokens.make_for_person(key, str(_contract(here)["gateway"]), options.role, options.school))
    return 0
