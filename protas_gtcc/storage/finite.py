"""One check for NaN and infinity in arrays of frames."""

from __future__ import annotations

import numpy as np

from protas_gtcc.errors import InputError


def require_finite(values: np.ndarray, where: str, way_out: str) -> None:
    """Raise `InputError` if a frame of `values`, `[T, D]`, has NaN or infinity, naming the first such frame."""
    finite = np.isfinite(values)
    if not finite.all():
        frame = int(np.argmin(finite.all(axis=1)))
        raise InputError(f"{where}: NaN or infinity at frame {frame}; {way_out}")
