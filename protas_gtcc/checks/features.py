"""What can be wrong with one feature set, seen one video after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from protas_gtcc.checks.findings import Finding
from protas_gtcc.dataset.file import FeatureSet
from protas_gtcc.errors import listed

_WILD_SCALE = 10.0


class FeatureCheck:
    """Sees all videos' features of one set, remembers a few numbers of each."""

    def __init__(self, name: str, feature_set: FeatureSet):
        self._name, self._set = name, feature_set
        self._lowest = np.full(feature_set.dim, np.inf)
        self._highest = np.full(feature_set.dim, -np.inf)
        self._rms: dict[str, float] = {}
        self._constant: list[str] = []
        self._same: dict[bytes, list[str]] = {}

    @property
    def where(self) -> str:
        """How findings name the set."""
        return f"feature set {self._name}"

    def see(self, video: str, values: np.ndarray) -> Iterator[Finding]:
        """Check one video's features, which should be `[T, D]` and finite."""
        where = f"video {video}, {self._name}"
        if values.ndim != 2 or values.shape[1] != self._set.dim:
            what = f"expected [T, D] with D = {self._set.dim}, came {list(values.shape)}"
            yield Finding("error", where, what, "extract the features again with the same backbone")
            return
        broken = ~np.isfinite(values).all(axis=1)
        if broken.any():
            what = f"NaN or infinity in {broken.sum()} of {len(values)} frames, first at {int(broken.argmax())}"
            yield Finding("error", where, what, "mend the features; nothing can be learnt from these")
            return
        if len(values):
            yield from self._measure(video, where, values)

    def _measure(self, video: str, where: str, values: np.ndarray) -> Iterator[Finding]:
        low, high = values.min(axis=0), values.max(axis=0)
        self._lowest, self._highest = np.minimum(self._lowest, low), np.maximum(self._highest, high)
        if len(values) > 1 and (low == high).all():
            self._constant.append(video)
            what = f"all {len(values)} frames have the same features"
            yield Finding("warning", where, what, "extract them again: the backbone saw one frame, or none")
            return
        self._rms[video] = float(np.sqrt(np.square(values, dtype=np.float64).mean()))
        digest = hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16).digest()
        self._same.setdefault(digest, []).append(video)

    def finish(self) -> Iterator[Finding]:
        """What only all videos together tell."""
        yield self._facts()
        # Where every video is constant, that has been said.
        constant = np.flatnonzero(self._lowest == self._highest)
        if len(constant) and self._rms:
            what = f"{len(constant)} of {self._set.dim} dimensions never change: {listed(constant.tolist())}"
            yield Finding("warning", self.where, what, "they carry nothing; drop them, or look at the extraction")
        for videos in self._same.values():
            if len(videos) > 1:
                what = f"videos with the very same features: {listed(videos)}"
                yield Finding("warning", self.where, what, "keep one, or extract the others again")
        yield from self._scales()

    def _facts(self) -> Finding:
        frames, split = self._set.look_ahead_frames, self._set.split
        tied = "" if split is None else f"; for split {split} only: its backbone was trained on that training part"
        if self._set.derived_from is not None:
            tied += f"; derived from {self._set.derived_from}, used only by name"
        if frames > 0:
            what = f"frame t has seen up to {frames} frames after t: results with it are not online"
            way_out = f"add {frames} frames of delay to any claim, or extract causally"
            return Finding("warning", self.where, what + tied, way_out)
        return Finding("note", self.where, f"look-ahead: 0 frames{tied}", "")

    def _scales(self) -> Iterator[Finding]:
        if len(self._rms) < 3:
            return
        usual = float(np.median(list(self._rms.values())))
        for video, rms in self._rms.items():
            if usual > 0 and not 1 / _WILD_SCALE <= rms / usual <= _WILD_SCALE:
                what = f"root mean square {rms:.3g}, while {usual:.3g} is usual: another scale"
                yield Finding("warning", f"video {video}, {self._name}", what, "extract it again as the others were")
