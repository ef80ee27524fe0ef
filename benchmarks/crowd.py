"""`python -m benchmarks.crowd PORT COUNT SECONDS`: hold so many connections with half a request each.

Each connection comes from an address of the loopback network that few others have, as those of many machines would.
What the server closes is opened again. Prints `ready` when all were opened once, and at the end how many were opened.
"""

import select
import socket
import sys
import time
from itertools import count

HALF = b"GET /v1/me HTTP/1.1\r\nHost: example.org\r\nX-Half: "
PER_ADDRESS = 50
AGAIN_AT_ONCE = 500


def main() -> None:
    """Open, hold and open again; ends after SECONDS."""
    port, wanted, seconds = (int(word) for word in sys.argv[1:])
    numbers, held = count(), dict[int, socket.socket]()
    poll = select.poll()
    opened, announced, end = 0, False, time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(min(wanted - len(held), AGAIN_AT_ONCE)):
            each = _half_open(port, next(numbers) // PER_ADDRESS)
            held[each.fileno()] = each
            poll.register(each, select.POLLIN | select.POLLHUP)
            opened += 1
        if opened >= wanted and not announced:
            announced = True
            print("ready", flush=True)  # what the scenario waits for
        for number, _ in poll.poll(100):
            poll.unregister(number)
            held.pop(number).close()
    print(opened, flush=True)


def _half_open(port: int, machine: int) -> socket.socket:
    address = f"127.1.{machine // 250 % 250}.{machine % 250 + 1}"
    each = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(address, 0))
    each.send(HALF)
    return each


if __name__ == "__main__":
    main()
