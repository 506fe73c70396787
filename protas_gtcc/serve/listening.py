"""The port of a server."""

from __future__ import annotations

import socket

from protas_gtcc.errors import InputError


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises `InputError` if it cannot."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (while")[0]  # Python adds the address
        way_out = "give another port or host; port 0 takes a free one"
        raise InputError(f"cannot listen on {host}:{port}: {reason}; {way_out}") from error
