"""Versions of the software, for what results and manifests keep."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

import protas_gtcc


def software_versions(packages: Iterable[str] = ("torch", "numpy", "h5py")) -> dict[str, str]:
    """Versions of this package and of those named that are installed; imports none of them."""
    versions = {"protas_gtcc": protas_gtcc.__version__}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
