"""What a client of the server may do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a client may do."""

    connections: int = 64
    """People followed at once; each has the memory of a stream from the start."""
    watchers: int = 64
    """Pages that watch at once."""
    frames_a_message: int = 64
    """Frames in one message: others wait meanwhile."""
    frames_a_second: float = 240.0
    """Of one client, on average; twice as many may come at once."""
    idle_seconds: float = 60.0
    """A client that sends nothing for so long, or takes no answer, is closed."""
