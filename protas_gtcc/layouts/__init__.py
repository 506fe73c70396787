"""Foreign dataset layouts: one reader each, all giving the same `Layout`.

`recognise(path)` says which layout a folder or file has; `open_layout` opens it.
"""

from protas_gtcc.layouts.base import Layout, LayoutOptions
from protas_gtcc.layouts.recognition import open_layout, recognise

__all__ = ["Layout", "LayoutOptions", "open_layout", "recognise"]
