"""The table of events in `docs/architecture.md`, read off the code: who emits what, and who takes it how."""

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
    """Names of the event classes that a package's code makes; who tracks a task emits TaskChanged."""
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
    """Markdown, one row a topic."""
    made = {name: emitters(name) for name in services}
    rows = []
    for event in sorted(Event.known.values(), key=lambda e: (stream_of(e.topic), e.topic)):
        by = [name for name in services if event.__name__ in made[name]]
        takers = [f"{name} ({how[event.topic]})" for name, how in _reads(services) if event.topic in how]
        by = by or ([f"{event.awaited_from} (to come)"] if event.awaited_from else [])
        taken = ", ".join(takers) or ("log only" if event.log_only else "nobody")
        rows.append(f"| `{event.topic}` | `{stream_of(event.topic)}` | {', '.join(by) or 'nobody'} | {taken} |")
    return "\n".join([HEAD, *rows])


def _reads(services: Mapping[str, Service]) -> Iterable[tuple[str, dict[str, str]]]:
    return ((name, service.reads) for name, service in services.items())


if __name__ == "__main__":
    say(table({name: build() for name, build in BUILDS.items()}))
