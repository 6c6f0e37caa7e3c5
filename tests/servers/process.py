"""What starting a server for a test takes, of whatever kind it is."""

import ctypes
import signal
import socket
import sys


def die_with_parent(how: signal.Signals) -> None:
    """Have this process be sent a signal when its parent dies; where the system can do that."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, how)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
