"""How long a contribution with one handoff takes, both on a Nexus server, beside two unsafe writes.

Safe: `Grove.contribute`, journal in a SQLite file; once so that both records are on the server
before the answer (as where several coordinators share a journal), and once as a process does that
has the journal to itself, which answers when it has decided and writes a moment later.
Unsafe: the same two documents written to the same server one after the other by plain requests, as
systems without a journal do. A failure in between leaves one without the other.

The three take turns, so that all see the same machine; the ratio of the medians is what counts.

    python -m benchmarks.nexus_writes [--rounds N] [--server URL] [--json]

Without `--server` one is started (`tests/servers/nexus.py`), whose installation takes some minutes
the first time.
"""

import argparse
import base64
import json
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx

from benchmarks.unsafe_inserts import make_documents
from grove_sm import Agent, Grove

_WARM_UP = 3
_PAUSE = 0.5
_CODER = Agent(agent_id="coder-1", role="coder")
_SAFE, _SOON, _UNSAFE = "contribute, written", "contribute, decided", "two unsafe writes"


def open_grove(folder: Path, server: str, zone: str, *, background: bool) -> Grove:
    """A grove with contributions and handoffs in a zone."""
    url = f"nexus+{server}/{zone}"
    rest = f"sqlite:///{folder}/{zone}-rest.db"
    return Grove.open(
        journal=f"sqlite:///{folder}/{zone}-journal.db",
        stores={"contributions": url, "handoffs": url, "claims": rest, "bounties": rest},
        topology={"coder": ["reviewer"]},
        background=background,
        patience=60.0,
    )


def write_unsafely(client: httpx.Client, zone: str, documents: tuple[tuple[str, str], ...]) -> None:
    """Write documents one after the other, whatever is there."""
    for path, document in documents:
        content = {"__type__": "bytes", "data": base64.b64encode(document.encode()).decode()}
        params = {"path": f"/zones/{zone}/{path}.json", "content": content}
        request = {"jsonrpc": "2.0", "id": 1, "method": "write", "params": params}
        answer = client.post("/api/nfs/write", json=request).json()
        if "error" in answer:
            raise RuntimeError(answer["error"])


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes, once the server has come to rest."""
    # The server goes on to parse what it was given before; nobody is to wait for another's.
    time.sleep(_PAUSE)
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(server: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of each, round by round."""
    found: dict[str, list[float]] = {_SAFE: [], _SOON: [], _UNSAFE: []}
    zone = secrets.token_hex(4)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        client = opened.enter_context(httpx.Client(base_url=server, timeout=60.0, trust_env=False))
        safe, soon = (
            opened.enter_context(
                open_grove(folder, server, f"{zone}-{background}", background=background)
            )
            for background in (False, True)
        )

        def contribute(grove: Grove, number: int) -> None:
            grove.contribute(kind="work", summary=f"Kernel {zone} {number}", agent=_CODER)

        for grove in (safe, soon):
            for number in range(_WARM_UP):
                contribute(grove, -1 - number)
        for number, (cid, contribution, handoff_id, handoff) in enumerate(make_documents(rounds)):
            documents = (
                (f"contributions/{cid}", contribution),
                (f"handoffs/{handoff_id}", handoff),
            )
            found[_SAFE].append(seconds_of(partial(contribute, safe, number)))
            found[_SOON].append(seconds_of(partial(contribute, soon, number)))
            # What the process does a moment later is not to slow down what comes next.
            soon.flush()
            found[_UNSAFE].append(seconds_of(partial(write_unsafely, client, zone, documents)))
    return found


def main() -> None:
    """Print the medians and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--server", help="as http://HOST:PORT; by default one is started")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with ExitStack() as running:
        server = options.server
        if server is None:
            from tests.servers.nexus import own_server

            server = f"http://127.0.0.1:{running.enter_context(own_server()).port}"
        found = measure(server, options.rounds)
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    ratios = {name: medians[name] / medians[_UNSAFE] for name in (_SAFE, _SOON)}
    if options.json:
        print(json.dumps({"seconds": medians, "ratios": ratios}))
        return
    for name, seconds in medians.items():
        ratio = f"   {ratios[name]:.2f} of the unsafe" if name in ratios else ""
        print(f"{name:20} {seconds * 1000:8.1f} ms{ratio}")


if __name__ == "__main__":
    main()
