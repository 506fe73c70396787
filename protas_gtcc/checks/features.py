"""Checks of one feature set, given one video after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from protas_gtcc.checks.findings import Finding
from protas_gtcc.dataset.file import FeatureSet
from protas_gtcc.errors import listed, plural
from protas_gtcc.storage.npy import UNUSABLE, usable_frames

_LARGEST_SCALE_RATIO = 10.0
"""Largest ratio of a video's root mean square to the median, and least as its inverse, without a warning."""

_USUAL_CONSTANT_SHARE = 0.02
"""Of the dimensions: some units of a backbone may never be active."""


class FeatureCheck:
    """Checks the features of one set, and remembers a few numbers of each video."""

    def __init__(self, name: str, feature_set: FeatureSet):
        self._name, self._set, self._where = name, feature_set, f"feature set {name}"
        self._lowest = np.full(feature_set.dim, np.inf)
        self._highest = np.full(feature_set.dim, -np.inf)
        self._rms: dict[str, float] = {}
        self._constant: list[str] = []
        self._first: dict[bytes, str] = {}
        """By what its features are: the first video with them."""
        self._same: dict[str, list[str]] = {}

    def see(self, video: str, values: np.ndarray) -> Iterator[Finding]:
        """Check one video's features `[T, D]`, which should be finite and of the set's D."""
        where = f"video {video}, {self._name}"
        if values.shape[1] != self._set.dim:
            what = f"expected [T, D] with D = {self._set.dim}, came {list(values.shape)}"
            yield Finding("error", where, what, "extract the features again with the same backbone")
            return
        broken = ~usable_frames(values)
        if broken.any():
            frames = plural(len(values), "frame")
            what = f"{UNUSABLE} in {broken.sum()} of {frames}, first at {int(broken.argmax())}"
            yield Finding("error", where, what, "extract the features again")
            return
        yield from self._measure(video, where, values)

    def _measure(self, video: str, where: str, values: np.ndarray) -> Iterator[Finding]:
        low, high = values.min(axis=0), values.max(axis=0)
        self._lowest, self._highest = np.minimum(self._lowest, low), np.maximum(self._highest, high)
        if len(values) > 1 and (low == high).all():
            self._constant.append(video)
            what = f"all {len(values)} frames have the same features"
            yield Finding("warning", where, what, "extract them again; the backbone got one frame or none")
            return
        self._rms[video] = float(np.sqrt(np.square(values, dtype=np.float64).mean()))
        digest = hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16).digest()
        first = self._first.setdefault(digest, video)
        if first != video:
            self._same.setdefault(first, [first]).append(video)

    def finish(self) -> Iterator[Finding]:
        """Findings about all videos together."""
        yield self._facts()
        # If every video is constant, each has a finding already.
        constant = np.flatnonzero(self._lowest == self._highest)
        if len(constant) and self._rms:
            what = f"{len(constant)} of {self._set.dim} dimensions never change: {listed(constant.tolist())}"
            many = len(constant) > _USUAL_CONSTANT_SHARE * self._set.dim
            yield Finding("warning" if many else "note", self._where, what, "check the extraction" * many)
        for videos in self._same.values():
            what = f"these videos have equal features: {listed(videos)}"
            yield Finding("warning", self._where, what, "keep one, or extract the others again")
        yield from self._scales()

    def _facts(self) -> Finding:
        frames, split = self._set.look_ahead_frames, self._set.split
        use = "" if split is None else f", for split {split} only"
        if self._set.derived_from is not None:
            use += f", derived from {self._set.derived_from} and used only by name"
        if frames > 0:
            late = plural(frames, "frame")
            what = f"look-ahead {late}{use}: results are {late} late, not online"
            return Finding("warning", self._where, what, "report the delay, or extract causal features")
        return Finding("note", self._where, f"look-ahead 0 frames{use}", "")

    def _scales(self) -> Iterator[Finding]:
        if len(self._rms) < 3:
            return
        usual = float(np.median(list(self._rms.values())))
        for video, rms in self._rms.items():
            if usual > 0 and not 1 / _LARGEST_SCALE_RATIO <= rms / usual <= _LARGEST_SCALE_RATIO:
                what = f"another scale: root mean square {rms:.3g}, the median is {usual:.3g}"
                yield Finding("warning", f"video {video}, {self._name}", what, "extract it as the others")
