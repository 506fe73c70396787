"""Small models of pictures in files, for tests: their features are the mean colours."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import onnx
import torch

from protas_gtcc.annotations.task_graph import TaskGraph
from protas_gtcc.inference import TrainedModel
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.extraction import extractor_of
from tests.tiny_models import BASE, CLASSES, make_model

FPS = 5.0
"""Of the models that take these features."""


class MeanColours(torch.nn.Module):
    """Pictures on whatever axes -> three means a picture, times a weight, so that there are weights."""

    def __init__(self, dims: tuple[int, ...], rank: int, weight: float = 1.0):
        super().__init__()
        self.dims, self.rank = dims, rank
        self.weight = torch.nn.Parameter(torch.tensor(weight))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        colours = pictures.float().mean(self.dims)
        if colours.shape[1] != 3 or pictures.ndim != self.rank:
            raise RuntimeError("these are not the axes of this model")
        return colours * self.weight


def torchscript(path: Path, dims: tuple[int, ...] = (2, 3), rank: int = 4, weight: float = 1.0) -> Path:
    """Save the model as TorchScript; `dims` are the axes that are averaged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(MeanColours(dims, rank, weight)), str(path))
    return path


def onnx_model(
    path: Path, shape: list[int | str], kind: int = onnx.TensorProto.FLOAT, axes: tuple[int, ...] = (2, 3)
) -> Path:
    """Save the mean over `axes` of an input of this shape as ONNX."""
    nodes = [
        onnx.helper.make_node("Cast", ["pictures"], ["floats"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("ReduceMean", ["floats"], ["features"], axes=list(axes), keepdims=0),
    ]
    given = onnx.helper.make_tensor_value_info("pictures", kind, shape)
    found = onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph(nodes, "means", [given], [found])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def extract_means(videos: Path, out: Path | str, model: Path, *more: object) -> list[object]:
    """The command that extracts features with a small model, 10 a second; later flags count."""
    small = ("--backbone", model, "--size", 16, "--threads", 1)
    return ["extract", videos, "--out", out, "--fps", 10, *small, *more]


def model_on(backbone: Backbone, fps: float = FPS) -> TrainedModel:
    """A model with random weights, as if it was trained on features of this backbone."""
    facts = make_model().facts
    torch.manual_seed(0)
    random = torch.rand(2, CLASSES, CLASSES).numpy()
    network = ProgressNetwork(BASE, backbone.dim, CLASSES, TaskGraph(*random))
    extractor = extractor_of(backbone, fps)
    return TrainedModel(network, dataclasses.replace(facts, feature_dim=backbone.dim, extractor=extractor))


def saved(model: TrainedModel, path: Path) -> Path:
    """The checkpoint of a model."""
    save_checkpoint(path, model.network, model.facts)
    return path
