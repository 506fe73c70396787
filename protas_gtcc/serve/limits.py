"""Limits of a client of the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of the clients."""

    connections: int = 64
    """Number of people that are followed at once; each takes the memory of a stream from the start."""
    watchers: int = 64
    """Number of pages that watch at once."""
    frames_a_message: int = 64
    """Largest number of frames in a message; other clients wait while they are computed."""
    frames_a_second: float = 240.0
    """Largest mean rate of a client; twice this number of frames may come at once."""
    idle_seconds: float = 60.0
    """A client that sends nothing, or takes no answer, for this time is closed."""
