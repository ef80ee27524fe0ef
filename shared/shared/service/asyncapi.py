"""Describes the events as AsyncAPI 3.0: a channel per topic, the envelope, and the encrypted fields."""

from typing import Any

from shared.events.envelope import PREFIX
from shared.events.event import Event
from shared.messaging.topology import EVENTS, stream_of

ENVELOPE = {
    "type": "object",
    "description": "CloudEvents 1.0 attributes, binary mode (AMQP headers).",
    "required": [PREFIX + name for name in ("specversion", "id", "type", "source", "time", "dataschema")],
    "properties": {
        PREFIX + name: {"type": "string", "description": text}
        for name, text in {
            "specversion": "1.0",
            "id": "UUIDv7; a message may arrive twice with the same id and is then the same fact",
            "type": "the topic",
            "source": "the service that published it",
            "time": "RFC 3339",
            "subject": "the id of the aggregate; versions are counted per subject",
            "dataschema": "its last part is the major version",
            "schoolid": "the school, if the event belongs to one",
            "taskid": "the task, if the event belongs to one",
            "correlationid": "the first message of the chain",
            "causationid": "the message that caused this one",
        }.items()
    },
}


def document(title: str = "SchoolConnect events") -> dict[str, Any]:
    """Return the document of all events, the newest major version of each topic last."""
    schemas: dict[str, Any] = {}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for (topic, major), event in sorted(Event.known.items()):
        name = f"{event.__name__}V{major}"
        schema = event.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[name] = schema
        messages[name] = {
            "name": topic,
            "title": event.__name__,
            "summary": (event.__doc__ or "").strip().split("\n")[0],
            "contentType": "application/json",
            "headers": {"$ref": "#/components/schemas/Envelope"},
            "payload": {"$ref": f"#/components/schemas/{name}"},
            "x-major": major,
            "x-sealed": sorted(event.personal),
        }
        channel = channels.setdefault(topic, _channel(topic, event))
        channel["messages"][name] = {"$ref": f"#/components/messages/{name}"}
        operations[f"receive_{topic.replace('.', '_')}"] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{topic}"},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": "1", "description": "Events on the exchange and in the log."},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"schemas": schemas | {"Envelope": ENVELOPE}, "messages": messages},
    }


def _channel(topic: str, event: type[Event]) -> dict[str, Any]:
    return {
        "address": topic,
        "messages": {},
        "bindings": {
            "amqp": {"is": "routingKey", "exchange": {"name": EVENTS, "type": "topic", "durable": True}},
        },
        "x-log": stream_of(topic),
        "x-log-only": event.log_only,
    }
