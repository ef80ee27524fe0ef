"""`python -m cli.operations.event_table`: print the table of events in `docs/architecture.md`, read from the code."""

import ast
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable

from cli.operations.service_builders import BUILDS
from cli.terminal import say
from shared.events import Event, TaskChanged
from shared.messaging.topology import stream_of
from shared.service.service import Service

HEAD = "| topic | stream | emitted by | consumed by |\n|---|---|---|---|"


def emitters(package: str) -> set[str]:
    """Return the names of the events that a package's code emits; code that tracks a task emits TaskChanged."""
    classes = {event.__name__ for event in Event.known.values()}
    found = set()
    for module in _modules(resources.files(package)):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in classes:
                    found.add(node.func.id)
                elif node.func.id == "track":
                    found.add(TaskChanged.__name__)
    return found


def _modules(folder: Traversable) -> Iterable[Traversable]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _modules(item)
        elif item.name.endswith(".py"):
            yield item


def table(services: Mapping[str, Service]) -> str:
    """Return the table in Markdown, one row per topic."""
    emitted = {name: emitters(name) for name in services}
    rows = []
    for event in sorted(Event.known.values(), key=lambda e: (stream_of(e.topic), e.topic)):
        emitted_by = [name for name in services if event.__name__ in emitted[name]]
        consumers = [f"{name} ({how[event.topic]})" for name, how in _reads(services) if event.topic in how]
        emitted_by = emitted_by or ([f"{event.awaited_from} (to come)"] if event.awaited_from else [])
        consumed_by = ", ".join(consumers) or ("log only" if event.log_only else "none")
        rows.append(
            f"| `{event.topic}` | `{stream_of(event.topic)}` | {', '.join(emitted_by) or 'none'} | {consumed_by} |"
        )
    return "\n".join([HEAD, *rows])


def _reads(services: Mapping[str, Service]) -> Iterable[tuple[str, dict[str, str]]]:
    return ((name, service.reads) for name, service in services.items())


if __name__ == "__main__":
    say(table({name: build() for name, build in BUILDS.items()}))
