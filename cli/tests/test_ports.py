import json
import socket

from cli.local.ports import FALLBACK, PREFERRED, free, pick, pick_stable


def test_a_taken_port_is_passed_over():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert not free(number)
        assert pick(["gateway"], {"gateway": [number]})["gateway"] in FALLBACK


def test_ports_stay_the_same_from_one_start_to_the_next(tmp_path):
    path = tmp_path / "ports.json"
    first = pick_stable(path, PREFERRED)
    assert len(set(first.values())) == len(PREFERRED)
    assert pick_stable(path, PREFERRED) == first


def test_a_remembered_port_that_was_taken_meanwhile_is_replaced_by_another(tmp_path):
    path = tmp_path / "ports.json"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        path.write_text(json.dumps({"gateway": number}))
        found = pick_stable(path, ["gateway"])
    assert found["gateway"] != number
    assert json.loads(path.read_text()) == found
