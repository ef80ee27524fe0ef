"""A gateway that accepts the ID tokens of a Firebase project, and the server of its certificates."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import pytest_asyncio

from services.gateway.tests.firebase.users import PROJECT, certified


@pytest.fixture(scope="module")
def google():
    """A server of certificates: (its address, the key of kid `one`, how often it was asked)."""
    key, pem = certified()
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = json.dumps({"one": pem}).encode()
            self.send_response(200)
            self.send_header("Cache-Control", "public, max-age=3600, must-revalidate")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/certificates", key, asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def firebase(backing, serve, google):
    async with serve(backing, firebase_project=PROJECT, firebase_certificates_url=google[0]) as running:
        yield running
