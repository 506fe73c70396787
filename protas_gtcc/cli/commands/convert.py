"""`protas-gtcc convert`: annotation files from one form to another, and how far annotators agree."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.cli.shared.console import wrong_usage
from protas_gtcc.cli.shared.parsing import Folder, Positional
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.storage.atomic import require_absent

if TYPE_CHECKING:
    from protas_gtcc.annotations.files.timed import AnnotationFile
    from protas_gtcc.metrics.agreement import Agreement


@dataclass(frozen=True)
class Command:
    """Convert annotations between forms: csv, audacity, elan, boris, label-studio, vidat, webvtt, rttm and mstcn (one
    label a frame; of a folder, groundTruth/ and mapping.txt). Exports of BORIS are read too.

    The source is a file or a folder in one of these forms, a folder or file that 'prepare' reads, a dataset file, or
    predictions.h5. Predictions become pre-annotations: the tool opens them, a person corrects them, and 'prepare' reads
    the corrected file. What no segment covers is background. What is changed or left out is counted.
    """

    source: Positional[Path]
    """File, or folder of files."""
    out: Positional[tuple[Path, ...]] = ()
    """File to write, or a folder; its ending is the form, unless --to names one."""
    to: str | None = None
    """Form to write. Default: the one that the ending of the file to write has."""
    fps: float | None = None
    """Frames per second of what is written, where that counts frames: mstcn, label-studio."""
    videos: Folder | None = None
    """Folder of the videos. Their paths are written into the files, so that a tool finds them."""
    agreement: bool = False
    """Compare the annotators of each video in place of writing: by frame and by segments."""
    agreement_fps: float = 10.0
    """Frames per second at which annotators are compared."""
    overwrite: bool = False
    """Replace files that exist."""
    json: bool = False
    """Print the result as JSON."""
    annotation: AnnotationOptions = field(default_factory=AnnotationOptions)

    def run(self) -> None:
        """Convert or compare, and print what was read, changed and written."""
        if self.agreement == bool(self.out) or len(self.out) > 1:
            wrong_usage("convert", "give one file or folder to write, or --agreement")
        result = self._compare() if self.agreement else self._convert(self.out[0])
        print(json.dumps(result, indent=1) if self.json else "\n".join(_lines(result)))

    def _convert(self, out: Path) -> dict[str, Any]:
        from protas_gtcc.annotations.files.formats import files_to_write, write_annotations
        from protas_gtcc.annotations.files.settling import settle_file
        from protas_gtcc.annotations.files.timed import WriteFacts
        from protas_gtcc.cli.shared.annotation_sources import read_source, with_media

        kind = self._kind(out)
        source = read_source(self.source, self.annotation)
        settled = settle_file(source.file, self.annotation, keep_all=kind.has_tiers)
        if self.videos is not None:
            settled.annotations = with_media(settled.annotations, self.videos)
        require_absent(files_to_write(out, kind, settled.annotations), self.overwrite)
        facts = WriteFacts(source.class_names, self.fps or source.fps, source.predicted)
        written = write_annotations(out, kind, settled.annotations, facts)
        return {"form": kind.name, "files": [str(path) for path, _ in written], **_counted(settled)}

    def _compare(self) -> dict[str, Any]:
        from protas_gtcc.cli.shared.annotation_sources import read_source
        from protas_gtcc.metrics.agreement import agreements
        from protas_gtcc.runs.annotators import labels_of_annotators

        file = read_source(self.source, self.annotation).file
        labels = labels_of_annotators(file, self.annotation, self.agreement_fps)
        found = agreements(labels)
        if not found:
            raise InputError(
                f"{self.source} has no video by two annotators ({listed(labels)}); give a folder with both"
            )
        return {"agreement": [_row(one) for one in found], **_counted(file)}

    def _kind(self, out: Path) -> Any:
        from protas_gtcc.annotations.files.formats import FORMATS, WRITTEN, format_called

        if self.to is not None:
            return format_called(self.to)
        fitting = [one for one in FORMATS if one.write is not None and out.suffix.lower() in one.endings]
        if len(fitting) != 1:
            raise InputError(f"the form of {out} is not clear from its ending; give --to, one of {listed(WRITTEN, 20)}")
        return fitting[0]


def _row(one: Agreement) -> dict[str, Any]:
    return {**dataclasses.asdict(one), "f1": {str(key): value for key, value in one.f1.items()}}


def _counted(file: AnnotationFile) -> dict[str, Any]:
    videos = {one.video for one in file.annotations}
    segments = sum(len(one.segments) for one in file.annotations)
    return {"videos": len(videos), "segments": segments, "notices": file.notices}


def _lines(result: dict[str, Any]) -> list[str]:
    counts = f"{plural(result['videos'], 'video')}, {plural(result['segments'], 'segment')}"
    if "agreement" in result:
        lines = [f"{counts}; agreement in percent, over the videos that both have"]
        lines.append(f"{'videos':>7}{'by frame':>10}{'kappa':>7}{'edit':>7}{'F1@10':>7}{'25':>7}{'50':>7}  annotators")
        for row in result["agreement"]:
            scores = "".join(f"{value:7.1f}" for value in (row["edit"], *row["f1"].values()))
            figures = f"{row['num_videos']:7d}{row['by_frame']:10.1f}{row['kappa']:7.2f}{scores}"
            lines.append(f"{figures}  {row['one']}, {row['other']}")
    else:
        lines = [f"{counts} written as {result['form']}: {listed(result['files'])}"]
    return lines + [f"  note: {notice}" for notice in result["notices"]]
