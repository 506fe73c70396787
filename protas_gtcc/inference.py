"""A trained model: from features `[T, D]` to labels, probabilities and progress."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from protas_gtcc.annotations.resampling import resample_indices
from protas_gtcc.config import Axes, Device, EngineName
from protas_gtcc.dataset.header import is_dataset_file
from protas_gtcc.decoding.base import Decoder
from protas_gtcc.decoding.decoder import task_number
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.network.checkpoint import ModelFacts, load_checkpoint
from protas_gtcc.network.float32 import full_float32
from protas_gtcc.network.model import Outputs, ProgressNetwork
from protas_gtcc.network.reference_checkpoints import read_reference_checkpoint
from protas_gtcc.predictions import Prediction
from protas_gtcc.procedure.alarms import rounded_up
from protas_gtcc.procedure.of_model import make_decoder, procedure_of, to_prediction, usual_budget
from protas_gtcc.procedure.result import REASONS, Reason
from protas_gtcc.storage.checkpoints import find_checkpoint
from protas_gtcc.storage.feature_facts import require_extractor
from protas_gtcc.storage.feature_files import load_features, require_loadable
from protas_gtcc.storage.file_kinds import SAFETENSORS, kind_of
from protas_gtcc.storage.npy import UNUSABLE, first_unusable
from protas_gtcc.video.cameras import SILENT_SECONDS

if TYPE_CHECKING:
    from protas_gtcc.procedure.alarms import AlarmBudget
    from protas_gtcc.procedure.model import ProcedureModel
    from protas_gtcc.streaming.following import Followed
    from protas_gtcc.streaming.streams import Stream, Streams
    from protas_gtcc.video.backbones.base import Backbone
    from protas_gtcc.video.sources import PictureSource


def choose_device(wanted: Device) -> str:
    """`auto` -> the first available of cuda, mps, cpu. Raises `InputError` for a device that is not available."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(device for device, there in available.items() if there)
    if not available[wanted]:
        raise InputError(f"--device {wanted}: this machine has none; use --device cpu or --device auto")
    return wanted


class TrainedModel:
    """A network in evaluation mode with the facts of its training; `print` shows them."""

    def __init__(self, network: ProgressNetwork, facts: ModelFacts, device: str | torch.device = "cpu"):
        self.network = network.eval().to(device)
        self.facts = facts
        self.device = torch.device(device)
        self._backbone: Backbone | None = None

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, background included, by id."""
        return self.facts.class_names

    @property
    def background(self) -> list[int]:
        """Ids of the background classes."""
        return self.facts.background

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks that it was trained on, in the order of `Prediction.task_probs`; none if not known."""
        return self.facts.tasks

    def task_number(self, task: str | None) -> int:
        """1 + the number of a task that is given, for the filter; 0 to infer it: for None, and where there is only one.

        Raises `InputError` for a task that the model does not know.
        """
        return task_number(task, self.tasks, self.facts.transcripts is not None)

    def outputs(self, features: np.ndarray) -> Outputs:
        """The network's whole output for one video, features `[T, D]`; every field with B = 1.

        Raises `InputError` if the features are empty, of another size than the model's, or not finite.
        """
        batch = torch.from_numpy(self._checked(features)).to(self.device)
        with torch.inference_mode(), full_float32():
            return self.network(batch.t().unsqueeze(0))

    def predict(
        self, video: np.ndarray | Path | str, backbone: Backbone | str | None = None, task: str | None = None
    ) -> Prediction:
        """Labels, probabilities and progress of one video: features `[T, D]`, or a video file.

        With `task`, one of `tasks`, only the steps of that task are predicted, in its order; by default the task is
        inferred. Without a progress head, `progress` is None and 0 is reported, or with a filter the progress of the
        filter alone. Raises `InputError` as `outputs` does, for a file as `picture_features` does, and for a task that
        the model does not know.
        """
        number = self.task_number(task)
        features = self.picture_features(video, backbone) if isinstance(video, str | Path) else video
        return to_prediction(self.outputs(features), self.background, self._fresh_decoder(task=number))

    def picture_features(self, video: Path | str, backbone: Backbone | str | None = None) -> np.ndarray:
        """Features of a video file as the model takes them, float16 `[T, D]` at the model's rate.

        `backbone` is needed where the checkpoint names a file of yours, as `backbone` says. Raises `InputError` as that
        does, and `BrokenVideo` for a file that is no video.
        """
        from protas_gtcc.video.features import features_of
        from protas_gtcc.video.frames import VideoFrames

        made_by, fps = self.backbone(backbone), self.facts.extractor.fps
        return self.at_own_rate(np.concatenate(list(features_of(VideoFrames(video, fps, made_by.size), made_by))), fps)

    def file_features(
        self, path: Path, fps: float | None = None, axes: Axes = "auto", mmap_mode: Literal["r"] | None = None
    ) -> np.ndarray:
        """Features in a file of any known form, `[T, D]` at the model's rate; `fps` is theirs, by default the model's.

        Raises `InputError` as `require_file` and `load_features` do.
        """
        rate = self.facts.fps if fps is None else fps
        require_extractor(path, self.facts.extractor, rate)
        features = load_features(path, self.facts.feature_dim, axes, rate, mmap_mode, self.facts.joining)
        return features if rate is None else self.at_own_rate(features, rate)

    def require_file(self, path: Path, fps: float | None = None, axes: Axes = "auto") -> None:
        """Raise `InputError` for features of another backbone, rate or size, as far as facts and header show."""
        require_extractor(path, self.facts.extractor, self.facts.fps if fps is None else fps)
        require_loadable(path, self.facts.feature_dim, axes, self.facts.joining)

    def at_own_rate(self, features: np.ndarray, fps: float) -> np.ndarray:
        """Features `[T, D]` at `fps`, resampled to the model's rate: durations and dilations are counted in that."""
        if fps == self.facts.fps or self.facts.fps is None:
            return features
        return features[resample_indices(len(features), fps, self.facts.fps)]

    def backbone(self, given: Backbone | str | None = None, device: str | None = None) -> Backbone:
        """The backbone of the model's features, made once; of a file of yours, its name or `make_backbone`'s result.

        It computes on the model's device, if no other one is given. Raises `InputError` if it is not known, if it is in
        a file that was not given, and if the one that is found has other weights or scaling.
        """
        from protas_gtcc.video.backbones.of_model import backbone_of

        self.require_one_set()
        if given is not None or self._backbone is None:
            self._backbone = backbone_of(self.facts.extractor, given, device or str(self.device))
        return self._backbone

    def require_one_set(self) -> None:
        """Raise `InputError` for a model of joined feature sets, which cannot make them from a video."""
        if self.facts.joined_sets:
            names = listed(one.name for one in self.facts.joined_sets)
            what = f"the model takes features of {names}, joined, and cannot take a video itself"
            raise InputError(f"{what}; make each, {self.facts.joining}, and give the file")

    def stream_backbone(self, given: Backbone | str | None = None) -> Backbone:
        """The backbone, for a stream of pictures, which is not resampled and has no later pictures.

        Raises `InputError` as `backbone` does, if the model's rate is not that of its backbone, and if its features
        look ahead.
        """
        backbone, fps = self.backbone(given), self.facts.extractor.fps
        if fps != self.facts.fps:
            what = f"the model's features were resampled from {fps:g} to {self.facts.fps or 0:g} fps"
            raise InputError(f"{what}, and a stream is not resampled; use 'predict'")
        ahead = max(self.facts.look_ahead_frames, backbone.look_ahead_frames)
        if ahead:
            what = f"the model's features look {plural(ahead, 'frame')} ahead"
            raise InputError(f"{what}, and a stream has no later pictures; use 'predict'")
        return backbone

    def follow(
        self,
        source: Path | str,
        every_frame: bool = False,
        real_time: bool = False,
        backbone: Backbone | str | None = None,
        give_up_seconds: float = SILENT_SECONDS,
        task: str | None = None,
    ) -> Iterator[Followed]:
        """Yield the prediction for each frame of a video file, a camera (`camera:0`) or an address (`rtsp://…`).

        Of a camera, and of a file in `real_time`, the newest frame is taken, and those that were dropped before it are
        counted; `every_frame` takes all, and the delay may grow. `task` is as in `predict`. Raises `InputError` as
        `backbone` does, for a task that the model does not know, if the source cannot be read, if a live one stops, and
        after `give_up_seconds` without a frame.
        """
        from protas_gtcc.streaming.following import Following, sent_nothing

        stream = self.stream(task=task)
        pictures = self.source(source, real_time, backbone, give_up_seconds)
        following = Following(stream, pictures, when_behind="block" if every_frame else None)
        try:
            while frames := following.step(give_up_seconds if pictures.is_live else None):
                yield from frames
        except TimeoutError:
            raise sent_nothing(pictures, give_up_seconds) from None
        finally:
            following.close()

    def source(
        self,
        name: Path | str,
        real_time: bool = False,
        backbone: Backbone | str | None = None,
        silent_seconds: float | None = SILENT_SECONDS,
    ) -> PictureSource:
        """A video file, a camera or an address as frames for a stream of this model.

        Raises `InputError` as `follow` and `stream_backbone` do.
        """
        from protas_gtcc.video.sources import PictureSource

        made_by = self.stream_backbone(backbone)
        self.compile_streams()  # a camera's frames would be lost meanwhile
        return PictureSource(name, made_by, self.facts.extractor.fps, real_time, silent_seconds)

    def compile_streams(self) -> None:
        """Step a stream once, which is then dropped: the first step of a process may compile for seconds."""
        self.stream().step(np.zeros(self.facts.feature_dim, np.float32))

    def stream(self, engine: EngineName = "auto", task: str | None = None) -> Stream:
        """A stream that takes a video frame by frame; its results equal `predict` on the whole video.

        `task` is as in `predict`. `compiled` runs on the CPU whatever the model's device, `torch` on that device.
        `auto` is `compiled` where the network can be compiled, also for a model on a GPU, which is slower until there
        are hundreds of streams; else `torch`. Raises `InputError` for an acausal model, and for a task that the model
        does not know.
        """
        return self.streams(1, engine, tasks=[task]).stream(0)

    def streams(
        self, count: int, engine: EngineName = "auto", threads: int = 1, tasks: Sequence[str | None] = ()
    ) -> Streams:
        """`count` streams, each of which starts, pauses and ends on its own; engines and errors as in `stream`.

        `tasks` has the task of each, None to infer it; by default all are inferred.
        """
        # Here, so that `predict` does not wait for these imports.
        from protas_gtcc.streaming.engines import make_engine
        from protas_gtcc.streaming.streams import Streams

        if count < 1:
            raise InputError(f"{count} streams were requested; request at least 1")
        if tasks and len(tasks) != count:
            raise InputError(f"{plural(len(tasks), 'task')} for {plural(count, 'stream')}; give one for each, or none")
        numbers = [self.task_number(task) for task in tasks]
        made = make_engine(self.network, count, engine, threads)  # refuses acausal models, whose lag is inf too
        if np.isinf(self.lag_seconds):
            raise InputError(
                "a stream does not know when its video ends; give --lag-seconds a number, or use 'predict'"
            )
        streams = Streams(
            made, self.network, self.background, self._fresh_decoder(count), self.tasks, self.facts.joining
        )
        for stream, number in enumerate(numbers):
            streams.give_task(stream, number)
        return streams

    def __repr__(self) -> str:
        facts, model = self.facts, self.facts.config.model
        parameters = sum(one.numel() for one in self.network.parameters())
        fps = "unknown fps" if facts.fps is None else f"{facts.fps:g} fps"
        progress = "with progress" if model.progress else "without progress"
        background = listed(facts.class_names[label] for label in facts.background)
        lines = {
            "classes": f"{len(facts.class_names)}: {listed(facts.class_names)} (background: {background})",
            "tasks": f"{len(facts.tasks)}: {listed(facts.tasks)}" if facts.tasks else "not known",
            "features": f"{facts.feature_dim} dimensions, {fps}, {facts.look_ahead_frames} look-ahead frames"
            + (f", of {facts.extractor}" if facts.extractor else "")
            + (f", joined of {listed(facts.joined_sets)}" if facts.joined_sets else ""),
            "preset": facts.config.preset,
            "network": f"{plural(model.stages, 'stage')} of {plural(model.layers, 'layer')} in {model.arrangement}, "
            f"{progress}, {'causal' if model.causal else 'acausal'}",
            "decoding": f"duration filter; {_calibration(facts)}" if facts.filtered else "likeliest class",
            "procedures": self._procedure_text(),
            "parameters": f"{parameters:,}",
            "dataset": (facts.dataset or "unknown") + (" (simulated)" if facts.simulated else ""),
            "split": f"{facts.config.split}, {plural(len(facts.training_videos), 'training video')}",
            "device": str(self.device),
        }
        return "\n".join(["TrainedModel", *(f"  {name}: {value}" for name, value in lines.items())])

    def _procedure_text(self) -> str:
        if self._procedure is None:
            return "not followed"
        alarms = f"alarms: {self.alarms.promise}" if self.alarms else "no alarms"
        every, one = self._procedure.smallest_budget(), self._procedure.smallest_budget(1)
        if not np.isfinite(every):
            return f"followed; {alarms}, as there are no held-out recordings without mistakes"
        return f"followed; {alarms}; smallest budget {rounded_up(every)} an hour, {rounded_up(one)} for one reason"

    def set_alarms(self, false_alarms_per_hour: float | None, reasons: Collection[Reason] | None = None) -> None:
        """Raise alarms, of all reasons or of these, within this budget from now on; with None, raise none.

        After loading, alarms of all reasons are raised at `USUAL_BUDGET`, if the model's held-out recordings are enough
        for it. Raises `InputError` if they are not enough for the budget, for one that is no number from 0, and for a
        model that does not follow procedures.
        """
        if false_alarms_per_hour is not None and not _is_from_0(false_alarms_per_hour):
            what = f"the budget is {false_alarms_per_hour!r}; give false alarms an hour, a number of 0 or more"
            raise InputError(f"{what}, or None for no alarms")
        self._decoder = make_decoder(self.facts, false_alarms_per_hour, reasons)
        self._budget = false_alarms_per_hour, reasons

    def set_lag(self, seconds: float) -> None:
        """Report each frame once this much of what follows it is known; inf waits for the whole video, 0 for nothing.

        After loading, the lag is that of the training's `--lag-seconds`. Raises `InputError` for a lag below 0, for one
        whose frames do not fit into 1 GiB, and for a model without a duration filter.
        """
        config = self.facts.config
        if seconds > 0 and (self.facts.transcripts is None or config.decoding.filter == "none"):
            raise InputError("the model has no duration filter, which alone can report frames later; give no lag")
        decoding = dataclasses.replace(config.decoding, lag_seconds=seconds)
        facts = dataclasses.replace(self.facts, config=dataclasses.replace(config, decoding=decoding))
        self._decoder = make_decoder(facts, *self._budget)
        self.facts = facts

    @property
    def lag_seconds(self) -> float:
        """How much of what follows a frame is known when it is reported."""
        return self.facts.config.decoding.lag_seconds

    @property
    def alarms(self) -> AlarmBudget | None:
        """The budget of alarms, which states what it promises; None where none are raised."""
        (budget, reasons), procedure = self._budget, self._procedure
        if budget is None or procedure is None:
            return None
        return procedure.calibrations[0].false_alarms.budget(budget, REASONS if reasons is None else reasons)

    @property
    def task_steps(self) -> list[list[int]]:
        """Class ids of the steps of each task, in their usual order, of the only one if no task is known by name.

        Empty if it does not follow procedures.
        """
        tables = None if self._procedure is None else self._procedure.tables
        return [] if tables is None else [tables.steps(number) for number in range(tables.num_tasks)]

    @cached_property
    def _procedure(self) -> ProcedureModel | None:
        return procedure_of(self.facts)

    @cached_property
    def _budget(self) -> tuple[float | None, Collection[Reason] | None]:
        return usual_budget(self._procedure), None

    @cached_property
    def _decoder(self) -> Decoder | None:
        return make_decoder(self.facts, *self._budget)

    def _fresh_decoder(self, num_streams: int = 1, task: int = 0) -> Decoder | None:
        return None if self._decoder is None else self._decoder.fresh(num_streams, task)

    def _checked(self, features: np.ndarray) -> np.ndarray:
        """The features as float32, in which they must be finite."""
        expected = self.facts.feature_dim
        if features.ndim != 2 or features.shape[1] != expected:
            way_out = self.facts.joining or "extract features with its backbone"
            if expected in features.shape[:1]:
                way_out = "it looks like [D, T]: transpose it"
            raise InputError(f"features are {features.shape}; the model takes [T, {expected}]; {way_out}")
        if len(features) == 0:
            raise InputError("features have no frames; leave the video out")
        with np.errstate(over="ignore"):  # it becomes infinity, which is refused
            features = np.ascontiguousarray(features, dtype=np.float32)
        unusable = first_unusable(features)
        if unusable is not None:
            raise InputError(f"features have {UNUSABLE} at frame {unusable}; extract them again")
        return features


def load(path: Path | str, device: str | torch.device = "cpu") -> TrainedModel:
    """Load a run directory, a checkpoint file, or a checkpoint of ProTAS or MS-TCN.

    Raises `InputError` if there is none at `path` or it is not whole.
    """
    path = find_checkpoint(path)
    if is_dataset_file(path):
        raise InputError(f"{path} is a dataset file, not a model; name a run directory or a checkpoint")
    if path.suffix != ".safetensors" and kind_of(path) != SAFETENSORS:
        return TrainedModel(*read_reference_checkpoint(path), device)
    model = TrainedModel(*load_checkpoint(path), device)
    if model.facts.awaits_calibration:
        logging.getLogger(__name__).warning("%s: %s", path, _calibration(model.facts))
    return model


def _is_from_0(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and float(value) >= 0


def _calibration(facts: ModelFacts) -> str:
    if facts.awaits_calibration:
        return "the run is not finished, so its filter is not calibrated (run --resume finishes it)"
    return facts.calibration or "not to be calibrated"
