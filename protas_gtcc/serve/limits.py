"""Limits of clients and watchers of the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of clients and watchers."""

    connections: int = 64
    """Most clients with a stream at the same time; the memory of all streams is reserved at the start."""
    watchers: int = 64
    """Most watchers at the same time."""
    frames_a_message: int = 64
    """Most frames in one message; other clients wait while it is processed."""
    frames_a_second: float = 240.0
    """Most frames per second of one client, on average; twice as many may come at once."""
    idle_seconds: float = 60.0
    """A client that sends no message, or reads no answer, for this time is disconnected."""
