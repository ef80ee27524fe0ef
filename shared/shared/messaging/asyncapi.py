"""Describes the events as AsyncAPI 3.0, by FastStream: a channel per topic, the envelope, the encrypted fields."""

from typing import Any

from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange
from faststream.specification import AsyncAPI

from shared.events.envelope import PREFIX
from shared.events.event import Event
from shared.messaging.topology import EVENTS, stream_of
from shared.trace_context import TRACEPARENT

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
    }
    | {TRACEPARENT: {"type": "string", "description": "W3C Trace Context, where traces are exported"}},
}


EXCHANGE = RabbitExchange(EVENTS, type=ExchangeType.TOPIC, durable=True, declare=False)


def document(title: str = "SchoolConnect events") -> dict[str, Any]:
    """Describe every known event: FastStream's document of a broker that publishes them, and what it cannot know."""
    broker = RabbitBroker("amqp://broker/", logger=None)  # never connected
    names = {key: _channel_name(*key) for key in sorted(Event.known)}
    for (topic, major), name in names.items():
        event = Event.known[topic, major]
        broker.publisher(
            exchange=EXCHANGE, routing_key=topic, schema=event, title=name, description=_summary(event), persist=True
        )
    found: dict[str, Any] = (
        AsyncAPI(
            broker,
            title=title,
            version="1",
            description="Facts on the exchange and in the log.",
            schema_version="3.0.0",
        )
        .to_specification()
        .to_jsonable()
    )
    del found["servers"]
    found["channels"] = {name: found["channels"][name] for name in names.values()}
    found["components"]["schemas"]["Envelope"] = ENVELOPE
    for (topic, major), name in names.items():
        _complete(found, name, Event.known[topic, major], major)
    return found


def _channel_name(topic: str, major: int) -> str:
    return topic if major == 1 else f"{topic}.v{major}"


def _summary(event: type[Event]) -> str:
    return (event.__doc__ or "").strip().split("\n")[0]


def _complete(found: dict[str, Any], name: str, event: type[Event], major: int) -> None:
    """Add the envelope, the log, and which fields are sealed."""
    channel = found["channels"][name]
    del channel["servers"]
    channel |= {"x-log": stream_of(event.topic), "x-log-only": event.log_only}
    (reference,) = channel["messages"].values()
    found["components"]["messages"][reference["$ref"].rpartition("/")[2]] |= {
        "name": event.topic,
        "title": event.__name__,
        "summary": _summary(event),
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/Envelope"},
        "correlationId": {"location": f"$message.header#/{PREFIX}correlationid"},
        "x-major": major,
        "x-sealed": sorted(event.personal),
    }
