"""Servers of S3 and Google Cloud Storage for tests: moto and gcp-storage-emulator, each in a process of its own."""

import subprocess
import sys
import time
from contextlib import contextmanager
from socket import create_connection, create_server

import boto3
from botocore.config import Config

BUCKET = "blobs"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}  # what the servers accept is not checked


@contextmanager
def s3_server():
    """Run moto; yields its URL. It has the bucket."""
    with _server("moto.server", "-H", "127.0.0.1", "-p") as url:
        s3_client(url).create_bucket(Bucket=BUCKET)
        yield url


@contextmanager
def google_server(port=None):
    """Run the emulator; yields its URL. It has the bucket."""
    arguments = ("start", "--in-memory", "--quiet", "-H", "127.0.0.1", "--default-bucket", BUCKET, "--port")
    with _server("gcp_storage_emulator", *arguments, port=port) as url:
        yield url


def s3_client(url):
    """Another client of the server at `url`, which looks at what no BlobStore shows."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}),
    )


@contextmanager
def _server(module, *arguments, port=None):
    port = port or free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", module, *arguments, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(server, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def free_port():
    """Find a port where nothing listens."""
    with create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _wait(server, port):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert server.poll() is None, "the server has ended"
        try:
            create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server does not answer within 60 s")
