"""A model as an ONNX graph, to run without torch: for the next chunk of a stream, or, of an acausal model, for videos.

    stream.onnx    features [B, T, D], state [B, S], num_frames [B]
                   -> the fields of a `Prediction` with the axis B in front, next_state [B, S], next_num_frames [B]
    offline.onnx   features [B, T, D]
                   -> the fields of a `Prediction` with the axis B in front

A stream starts with state and num_frames 0; a whole video is one chunk. T is from 1 to 131072, B is any number of
streams. The duration filter is part of the graph, if the model has one; fields that a model does not have are not among
the outputs. A graph infers the task, if the model knows two or more, or is made for one task. What is reported of the
procedure is not part of it. Needs the extra `[export]`.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from protas_gtcc.decoding.filter_graph import FilterGraph
from protas_gtcc.errors import lacks_package
from protas_gtcc.inference import TrainedModel
from protas_gtcc.network.gru import GRU
from protas_gtcc.network.layers import Stage
from protas_gtcc.network.model import NetworkState, Outputs, ProgressNetwork
from protas_gtcc.storage.atomic import replace_when_whole

MOST_DOUBLINGS = 17
MOST_FRAMES = 2**MOST_DOUBLINGS
"""Most frames of a video or chunk that a graph takes; give a longer video to stream.onnx in chunks."""
EXAMPLE_FRAMES = 5
"""Frames of the chunk that a graph is traced with; any number greater than 1."""


class OfflineGraph(nn.Module):
    """The graph for whole videos."""

    is_action: Tensor

    def __init__(self, network: ProgressNetwork, background: list[int], decoder: FilterGraph | None):
        super().__init__()
        self.network, self.decoder = network, decoder
        is_action = torch.ones(network.num_classes, dtype=torch.bool)
        is_action[background] = False
        self.register_buffer("is_action", is_action)

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs, in order."""
        if self.decoder is not None:
            return [*self.decoder.fields]
        return ["labels", "probs", "progress", "reported"] if self.network.config.progress else ["labels", "probs"]

    def forward(self, features: Float[Tensor, "B T D"]) -> tuple[Tensor, ...]:
        """The fields of a prediction."""
        belief = features.new_zeros(features.shape[0], 0 if self.decoder is None else self.decoder.size)
        return self.fields(self.network(features.transpose(1, 2)), belief)[0]

    def fields(self, outputs: Outputs, belief: Float[Tensor, "B R"]) -> tuple[tuple[Tensor, ...], Tensor]:
        """The fields of a prediction, and the filter's belief after it."""
        probs, progress = torch.softmax(outputs.final_logits, dim=1), outputs.final_progress
        progress = None if progress is None else progress.clamp(0, 1)
        if self.decoder is not None:
            return self.decoder(belief, probs, progress)
        labels = outputs.final_logits.argmax(dim=1)
        if progress is None:
            return (labels, probs), belief
        reported = progress.gather(1, labels[:, None]).squeeze(1) * self.is_action[labels]
        return (labels, probs, progress, reported), belief


class StreamGraph(OfflineGraph):
    """The graph for the next chunk of streams; each stream's state is one vector, so one input and one output."""

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs, in order."""
        return [*super().output_names, "next_state", "next_num_frames"]

    def forward(  # type: ignore[override]
        self, features: Float[Tensor, "B T D"], state: Float[Tensor, "B S"], num_frames: Int[Tensor, " B"]
    ) -> tuple[Tensor, ...]:
        """The fields of a prediction, and the state and number of frames for the next chunk."""
        before, belief = self.unpack(state, num_frames)
        outputs = self.network(features.transpose(1, 2), state=before)
        fields, belief = self.fields(outputs, belief)
        after = outputs.state
        assert after.num_frames is not None
        return *fields, self.pack(after, belief), after.num_frames

    def start(self, num_streams: int) -> tuple[Float[Tensor, "B S"], Int[Tensor, " B"]]:
        """State and number of frames before the first frame."""
        state = self.network.start(num_streams)
        assert state.num_frames is not None
        belief = torch.zeros(num_streams, 0 if self.decoder is None else self.decoder.size)
        return self.pack(state, belief), state.num_frames

    def pack(self, state: NetworkState, belief: Float[Tensor, "B R"]) -> Float[Tensor, "B S"]:
        """The state without the number of frames, and the belief, as one vector for each stream."""
        tensors = state._replace(num_frames=None).named().values()
        return torch.cat([*(one.flatten(1) for one in tensors), belief], dim=1)

    def unpack(
        self, state: Float[Tensor, "B S"], num_frames: Int[Tensor, " B"]
    ) -> tuple[NetworkState, Float[Tensor, "B R"]]:
        """The inverse of `pack`."""
        example = self.network.start()._replace(num_frames=None)
        tensors = list(example.named().values())
        sizes = [one.numel() for one in tensors]
        *values, belief = torch.split(state, [*sizes, state.shape[1] - sum(sizes)], dim=1)
        parts = dict(zip(map(id, tensors), values, strict=True))
        unpacked = example.apply(lambda one: parts[id(one)].reshape(-1, *one.shape[1:]))
        return unpacked._replace(num_frames=num_frames), belief


def export_onnx(
    model: TrainedModel, folder: Path, on_start: Callable[[Path], None] = lambda path: None, task: str | None = None
) -> Path:
    """Write a model's graph and return its path: `stream.onnx`, or `offline.onnx` of an acausal model.

    `on_start` is called before the graph is made, which takes from seconds to minutes. With `task`, the graph is for
    videos of that task alone. Raises `InputError` if the packages of the extra `[export]` are not installed, and for a
    task that the model does not know.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise lacks_package("exporting", error, "export") from error
    network, decoder = _exportable(model.network), _filter_graph(model, model.task_number(task))
    kind = StreamGraph if network.config.causal else OfflineGraph
    graph = kind(network, model.background, decoder)
    inputs = {"features": torch.randn(2, EXAMPLE_FRAMES, model.facts.feature_dim)}
    if isinstance(graph, StreamGraph):
        inputs["state"], inputs["num_frames"] = graph.start(2)
    path = folder / ("stream.onnx" if isinstance(graph, StreamGraph) else "offline.onnx")
    on_start(path)
    _write(model, graph, inputs, path)
    return path


def lacks(model: TrainedModel) -> list[str]:
    """What the graph lacks: fields of the model's predictions, and settings that act on the others."""
    decoding, has_tasks = model.facts.config.decoding, len(model.facts.tasks) > 1
    lacking = ["lag_seconds"] if decoding.lag_seconds else []
    if not model.facts.procedure:
        return lacking
    if decoding.filter == "none":
        return ["procedure", "task_probs"] if has_tasks else ["procedure"]
    return ["procedure", *(["order_memory"] if decoding.order_memory > 0 else []), *lacking]


def _filter_graph(model: TrainedModel, task: int) -> FilterGraph | None:
    facts = model.facts
    if not facts.filtered:
        return None
    assert facts.fps is not None
    assert facts.transcripts is not None  # counted at that rate
    tables = facts.transcripts.of_task(task - 1) if task else facts.transcripts
    return FilterGraph(tables, facts.config.decoding, facts.background, facts.fps)


def _write(model: TrainedModel, graph: OfflineGraph, inputs: dict[str, Tensor], path: Path) -> None:
    """Write a graph, traced with example `inputs`."""
    batch, frames = torch.export.Dim("batch", max=2**16), torch.export.Dim("frames", max=MOST_FRAMES)
    dynamic = tuple({0: batch, 1: frames} if name == "features" else {0: batch} for name in inputs)
    with torch.no_grad(), _quietly():
        exported = torch.export.export(graph.eval(), tuple(inputs.values()), dynamic_shapes=dynamic, strict=False)
        program = torch.onnx.export(
            exported,
            dynamo=True,
            verbose=False,
            input_names=list(inputs),
            output_names=graph.output_names,
            custom_translation_table=_translations(),
        )
    assert program is not None  # for the type checker
    for name in ("class_names", "background", "fps", "look_ahead_frames", "simulated", "tasks"):
        program.model.metadata_props[name] = json.dumps(getattr(model.facts, name))
    program.model.metadata_props["lacks"] = json.dumps(lacks(model))
    with replace_when_whole(path) as temporary:
        program.save(temporary)


@contextmanager
def _quietly() -> Iterator[None]:
    """Suppress the exporter's messages about torch's own code and about optional packages."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`isinstance\\(treespec, LeafSpec\\)` is deprecated", FutureWarning)
            yield
    finally:
        logger.setLevel(level)


@torch.library.custom_op(
    "protas_gtcc::gru",
    mutates_args=(),
    schema="(Tensor frames, Tensor hidden, Tensor weight_in, Tensor weight, Tensor bias) -> Tensor",
)
def _gru(frames: Tensor, hidden: Tensor, weight_in: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    raise NotImplementedError("this GRU exists only in exported graphs")


@_gru.register_fake
def _(frames: Tensor, hidden: Tensor, weight_in: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return frames.new_empty(frames.shape[0], hidden.shape[0], frames.shape[1], hidden.shape[2])


class _ExportedGRU(nn.Module):
    """A GRU that the exporter writes as ONNX's GRU, instead of one copy of its arithmetic for each frame."""

    def __init__(self, gru: GRU):
        super().__init__()
        self.bidirectional, self.hidden_size = gru.bidirectional, gru.hidden_size
        named = dict(gru.named_parameters())
        ends = ["", "_reverse"] if gru.bidirectional else [""]
        parts = [
            [_in_onnx_order(named[f"{kind}_l0{end}"]) for end in ends]
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        self.register_buffer("weight_in", torch.stack(parts[0]))
        self.register_buffer("weight", torch.stack(parts[1]))
        self.register_buffer("bias", torch.cat([torch.stack(parts[2]), torch.stack(parts[3])], dim=1))

    def forward(
        self, x: Float[Tensor, "B F T"], lengths: Tensor | None = None, hidden: Float[Tensor, "B H"] | None = None
    ) -> Float[Tensor, "B G T"]:
        """As `GRU.forward`, for videos without padding."""
        directions = 2 if self.bidirectional else 1
        before = x.new_zeros(directions, x.shape[0], self.hidden_size) if hidden is None else hidden[None]
        states = torch.ops.protas_gtcc.gru(x.permute(2, 0, 1), before, self.weight_in, self.weight, self.bias)
        return states.permute(2, 1, 3, 0).flatten(1, 2)


def _exportable(network: ProgressNetwork) -> ProgressNetwork:
    copied = copy.deepcopy(network).cpu().eval()
    for stage in copied.stages:
        head = cast(Stage, stage).progress_head
        if head is not None:
            cast(nn.Module, head).gru = _ExportedGRU(head.gru)
    return copied


def _in_onnx_order(parameter: Tensor) -> Tensor:
    """ONNX has update, reset, new where torch has reset, update, new."""
    reset, update, new = parameter.detach().chunk(3)
    return torch.cat([update, reset, new])


def _translations() -> dict[Any, Callable[..., Any]]:
    import onnxscript

    op: Any = onnxscript.opset18

    def gru(frames: Any, hidden: Any, weight_in: Any, weight: Any, bias: Any) -> Any:
        direction = "bidirectional" if hidden.shape[0] == 2 else "forward"
        size = hidden.shape[2]
        states, _ = op.GRU(
            frames, weight_in, weight, bias, None, hidden, direction=direction, hidden_size=size, linear_before_reset=1
        )
        return states

    def running_maximum(x: Any, dim: int) -> Any:
        # ONNX has no such operation. The maximum over 2^k frames is that of two halves; progress is never below 0.
        last, zero, front = (op.Constant(value_ints=[value]) for value in (2, 0, 0))
        num_frames = op.Slice(op.Shape(x), last, op.Constant(value_ints=[3]))
        for doubling in range(MOST_DOUBLINGS):
            kept = op.Max(op.Sub(num_frames, op.Constant(value_ints=[2**doubling])), zero)
            shift = op.Concat(zero, zero, op.Sub(num_frames, kept), zero, zero, zero, axis=0)
            x = op.Max(x, op.Pad(op.Slice(x, front, kept, last), shift))
        return x, x

    return {torch.ops.protas_gtcc.gru.default: gru, torch.ops.aten.cummax.default: running_maximum}
