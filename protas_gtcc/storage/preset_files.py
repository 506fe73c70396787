"""Presets as YAML files: the name of a built-in preset, and the settings that differ from it, by section.

preset: default
model: {maps: 32}
training: {lr: 0.002, epochs: 60}
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from protas_gtcc.config import PRESETS, SECTIONS, RunConfig
from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.configs import from_dict

MOST_BYTES = 1_000_000


def read_preset(name: str) -> RunConfig:
    """The settings of a built-in preset or of a preset file.

    Raises `InputError` for a name that is neither, and for a file that is no preset.
    """
    if name in PRESETS:
        return PRESETS[name]
    path = Path(name)
    if not path.is_file():
        raise InputError(f"--preset {name}: expected one of {listed(PRESETS)}, or a YAML file, and there is none")
    changes = _read_changes(path)
    base = changes.pop("preset", "default")
    if not isinstance(base, str) or base not in PRESETS:
        raise InputError(f"{path}: preset is {base!r}; it is one of {listed(PRESETS)}")
    settings = dataclasses.asdict(PRESETS[base])
    for section, values in changes.items():
        _require_known(path, section, values, settings)
        settings[section] |= values
    try:
        return dataclasses.replace(from_dict(RunConfig, settings, str(path)), preset=name)
    except InputError as error:
        raise error if str(error).startswith(str(path)) else InputError(f"{path}: {error}") from None


def write_preset(path: Path, base: str, settings: dict[str, Any], about: str) -> None:
    """Write the settings, by field name, that differ from a built-in preset; `about` becomes a comment on top."""
    import yaml

    content: dict[str, Any] = {"preset": base}
    for section in SECTIONS:
        fields = [one.name for one in dataclasses.fields(getattr(PRESETS[base], section))]
        if changed := {name: settings[name] for name in fields if name in settings}:
            content[section] = changed
    comment = "".join(f"# {line}\n" for line in about.splitlines())
    write_text(path, comment + yaml.safe_dump(content, sort_keys=False))


def _read_changes(path: Path) -> dict[str, Any]:
    from protas_gtcc.storage.yaml_configs import read_yaml

    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"{path} has more than {MOST_BYTES} bytes, so it is no preset; give a file that 'tune' wrote")
    content = read_yaml(path.read_text(encoding="utf-8", errors="replace"), str(path))
    if not isinstance(content, dict):
        raise InputError(f"{path} is no preset: expected 'preset: default' and sections as 'training:'; correct it")
    return content


def _require_known(path: Path, section: Any, values: Any, settings: dict[str, Any]) -> None:
    if section not in SECTIONS:
        raise InputError(f"{path}: {section!r} is no section of settings; these are {listed(SECTIONS)}, and 'preset'")
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected names and values of settings in {section}, found {values!r}")
    unknown = [name for name in values if name not in settings[section]]
    if unknown:
        known = listed(settings[section], most=100)
        raise InputError(f"{path}: {section} has no setting {unknown[0]!r}; it has {known}")
