"""Run the reference code from a checkout of its repository: imported by path, never copied, its files unchanged.

ProTAS: github Yuhan-Shen/ProTAS. MS-TCN: github yabufarha/ms-tcn. ASFormer: github ChinaYi/ASFormer.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np

from protas_gtcc.errors import InputError

# MS-TCN was written for Python 2; one such statement would make the whole file a syntax error.
_PYTHON_2_PRINT = re.compile(r"^(\s*)print (?!\()(.+)$", re.MULTILINE)
# ASFormer has its scheduler print each new learning rate; torch has no such argument any more.
_VERBOSE_SCHEDULER = re.compile(r"(ReduceLROnPlateau\(.*), verbose=True\)")
_NOT_FOR_TRAINING = {"tqdm": (), "eval": ("segment_bars_with_confidence",)}
"""Modules, and names in them, that draw bars while predicting, which no benchmark does. ASFormer's `eval` needs a
package of its own."""


def load_module(folder: Path, name: str) -> ModuleType:
    """Import `folder/name.py` under a name of its own. Raises `InputError` if it is not there."""
    path = folder / f"{name}.py"
    if not path.is_file():
        raise InputError(f"no {path}; give the folder of a checkout of the repository")
    source = _PYTHON_2_PRINT.sub(r"\1print(\2)", path.read_text(encoding="utf-8"))
    source = _VERBOSE_SCHEDULER.sub(r"\1)", source)
    for other, names in _NOT_FOR_TRAINING.items():
        try:
            importlib.import_module(other)
        except ImportError:
            sys.modules[other] = stub = ModuleType(other)
            stub.__spec__ = ModuleSpec(other, None)  # torch looks for it
            vars(stub).update(dict.fromkeys(names))
    module = ModuleType(f"reference_{name}")
    module.__file__ = str(path)
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module


@contextmanager
def numpy_with_float() -> Iterator[None]:
    """Put the alias `np.float` back, which ProTAS's scores use and numpy 1.24 removed."""
    if "float" in vars(np):
        yield
        return
    setattr(np, "float", float)  # noqa: B010 (numpy's types have no such name)
    try:
        yield
    finally:
        delattr(np, "float")


def load_package(folder: Path, name: str) -> ModuleType:
    """Import the module `name` (dotted) of a checkout whose modules import each other from its root.

    Raises `InputError` if the module, or a package that it imports, is missing.
    """
    if not (folder / f"{name.replace('.', '/')}.py").is_file():
        raise InputError(f"no {name} in {folder}; give the folder of a checkout of the repository")
    sys.path.insert(0, str(folder.resolve()))
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"{folder} needs {error.name}, which is not installed") from error
    finally:
        sys.path.remove(str(folder.resolve()))
