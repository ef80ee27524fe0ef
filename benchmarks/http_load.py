"""POST /v1/notifications as a load: from this process, or from wrk as the peer's own script does it."""

import asyncio
import json
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

CONNECTIONS = 32
"""The peer's script has as many."""
WARM_SECONDS = 2

Request = Callable[[], bytes]

SCRIPT = """
wrk.method = "POST"
wrk.body = [==[BODY]==]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer TOKEN"
wrk.headers["Idempotency-Key"] = "@@"
local sent, head, tail = 0, nil, nil
function request()
  if head == nil then
    head, tail = string.match(wrk.format(), "^(.-)@@(.*)$")
  end
  sent = sent + 1
  return head .. "RUN-" .. sent .. tail
end
function done(summary, latency)
  local wrong = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("accept: %.1f %.2f %d\\n", summary.requests / summary.duration * 1e6,
                         latency:percentile(99) / 1000, wrong))
end
"""


def body(person: UUID) -> bytes:
    """Return the body of the peer's script in the form of our API."""
    return json.dumps(
        {
            "type": "payment",
            "title": "Fees due",
            "body": "Term fees are due on Friday.",
            "data": {"k": "v"},
            "audience": {"people": [str(person)]},
        }
    ).encode()


def request(content: bytes, headers: str = "") -> bytes:
    """Return the bytes of one request; each of `headers` ends in CR LF."""
    head = f"POST /v1/notifications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def load(port: int, made: Request, count: int) -> tuple[float, list[float]]:
    """Return requests per second over 32 connections, and each one's seconds; an answer other than 202 ends the run."""
    took: list[float] = []

    async def ask(times: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(times):
            began = time.perf_counter()
            writer.write(made())
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            answer = await reader.readexactly(int(length[1]) if length else 0)
            if b" 202 " not in head.partition(b"\r\n")[0]:
                raise AssertionError((head + answer).decode())
            took.append(time.perf_counter() - began)
        writer.close()

    each = max(1, count // CONNECTIONS)
    await asyncio.gather(*(ask(max(1, each // 10)) for _ in range(CONNECTIONS)))  # warm
    took.clear()
    began = time.perf_counter()
    await asyncio.gather(*(ask(each) for _ in range(CONNECTIONS)))
    return each * CONNECTIONS / (time.perf_counter() - began), took


async def open_streams(port: int, path: str, headers: Sequence[str]) -> list[asyncio.StreamWriter]:
    """Open a stream of events for each of `headers`, and keep it open; one that is refused ends the run.

    They come from two addresses: one may not hold so many connections.
    """
    opened = []
    for turn, each in enumerate(headers):
        sender = (f"127.0.0.{2 + turn % 2}", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=sender)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{each}\r\n".encode())
        answer = await reader.readline()
        if b" 200 " not in answer:
            raise AssertionError(f"a stream was refused: {answer!r}")
        opened.append(writer)
    return opened


async def wrk(ports: Sequence[int], content: bytes, token: str, seconds: int) -> float:
    """Return requests per second of several processes, each with its share of 32 connections and one thread."""
    script = SCRIPT.replace("BODY", content.decode()).replace("TOKEN", token)
    share = CONNECTIONS // len(ports)
    await asyncio.gather(*(_wrk(port, share, WARM_SECONDS, script) for port in ports))
    return sum(await asyncio.gather(*(_wrk(port, share, seconds, script) for port in ports)))


async def _wrk(port: int, connections: int, seconds: int, script: str) -> float:
    url = f"http://127.0.0.1:{port}/v1/notifications"
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="utf-8") as file:
        file.write(script.replace("RUN", uuid4().hex))
        file.flush()
        command = ("wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "10s", "-s", file.name, url)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output = (await process.communicate())[0].decode()
    found = re.search(r"accept: ([\d.]+) ([\d.]+) (\d+)", output)
    if found is None or found[3] != "0":
        raise AssertionError(f"wrk says {output!r}")
    return float(found[1])
