import json
import socket
import subprocess
import sys

from cli.fakes.process import free_port
from cli.processes.ports import FALLBACK, PREFERRED, free, pick, pick_stable


def test_a_port_in_use_is_skipped():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert not free(number)
        assert pick(["gateway"], {"gateway": [number]})["gateway"] in FALLBACK


def test_ports_stay_the_same_between_starts(tmp_path):
    path = tmp_path / "ports.json"
    first = pick_stable(path, PREFERRED)
    assert len(set(first.values())) == len(PREFERRED)
    assert pick_stable(path, PREFERRED) == first


def test_a_remembered_port_that_is_now_in_use_is_replaced(tmp_path):
    path = tmp_path / "ports.json"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        path.write_text(json.dumps({"gateway": number}))
        found = pick_stable(path, ["gateway"])
    assert found["gateway"] != number
    assert json.loads(path.read_text()) == found


START = """
import json, sys
from cli.processes.ports import pick
print(json.dumps(pick(["gateway", "amqp"], json.loads(sys.argv[1]))), flush=True)
sys.stdin.read()
"""


def test_stacks_that_start_simultaneously_choose_different_ports():
    # given several that have chosen, none of which listens yet
    wanted = {"gateway": free_port(), "amqp": free_port()}
    command = [sys.executable, "-c", START, json.dumps({name: [port] for name, port in wanted.items()})]
    starting = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)]
    try:
        chosen = [json.loads(each.stdout.readline()) for each in starting]
    finally:
        for each in starting:
            each.communicate()
    # then no port is anybody else's
    ports = [port for each in chosen for port in each.values()]
    assert len(set(ports)) == len(ports)
    # and one that went without using its own leaves them to the next
    again = subprocess.run(command, input=b"", capture_output=True, check=True)
    assert json.loads(again.stdout) == wanted
