"""The options that all commands on foreign layouts share."""

from __future__ import annotations

from dataclasses import dataclass, field

from protas_gtcc.layouts.options import LayoutOptions


@dataclass(frozen=True, kw_only=True)
class LayoutCommand:
    """Options of every command that reads a foreign layout."""

    json: bool = False
    """Print the result as JSON."""
    layout: LayoutOptions = field(default_factory=LayoutOptions)
