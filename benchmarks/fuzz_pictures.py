"""As `fuzz_readers.py`: videos, backbones in files, and what clients send to a server that takes pictures."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnx
import torch
import uvicorn
from fuzz_readers import RUN, Reader
from PIL import Image

from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.network.checkpoint import ModelFacts
from protas_gtcc.serve.app import make_app
from protas_gtcc.serve.connections import server_config
from protas_gtcc.serve.gate import Refused
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.pictures import LARGEST_BYTES, ClientPictures
from protas_gtcc.serve.sessions import Sessions
from protas_gtcc.storage.feature_facts import read_feature_facts
from protas_gtcc.storage.feature_files import load_features
from protas_gtcc.video.backbones.choice import make_backbone
from protas_gtcc.video.extraction import Extraction
from protas_gtcc.video.naming import VideoFile
from protas_gtcc.video.opening import first_picture_seconds, seconds_of_packets

SIZE = 16
"""Of pictures, in pixels."""
ANSWER_SECONDS = 0.3
"""For which an answer is awaited. A server that waits for more bytes gives none."""
UPGRADE = (
    b"GET /stream?name=x&pictures=1 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
CLOSE = b"\x88\x82\x00\x00\x00\x00\x03\xe8"


class MeanColours(torch.nn.Module):
    """Pictures `[B, 3, H, W]` -> their mean colours."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """`[B, 3]`."""
        return pictures.float().mean((2, 3))


class Means:
    """A backbone of mean colours."""

    name, version, fingerprint, size, window, look_ahead_frames, dim = "means", "", "0123456789ab", SIZE, 2, 0, 3

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """`[B, 3]`."""
        means: np.ndarray = pictures.mean((1, 2, 3), dtype=np.float32)
        return means


def _video(name: str, codec: str) -> Any:
    """What writes a video of ten pictures and a second of silence."""

    def write(folder: Path) -> Path:
        with av.open(str(folder / name), "w") as container:
            stream: Any = container.add_stream(codec, rate=10, width=64, height=48, pix_fmt="yuv420p")
            sound: Any = container.add_stream("aac", rate=8000)
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts = 8000, 0
            for brightness in range(0, 250, 25):
                picture = np.full((48, 64, 3), brightness, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux([*stream.encode(), *sound.encode(silence), *sound.encode()])
        return folder / name

    return write


def _extract(path: Path) -> None:
    features = path.parent / "features" / "a.npy"
    features.unlink(missing_ok=True)
    first_picture_seconds(path), seconds_of_packets(path)
    Extraction([VideoFile(path, "a")], features.parent, Means(), 5.0).run()
    facts = read_feature_facts(features)
    assert facts is not None
    assert load_features(features, Means.dim, "TD").shape == (facts.num_frames, facts.dim)


def _torchscript(folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(MeanColours()), str(folder / "means.pt"))
    return folder / "means.pt"


def _onnx(folder: Path) -> Path:
    nodes = [onnx.helper.make_node("ReduceMean", ["pictures"], ["features"], axes=[2, 3], keepdims=0)]
    given = onnx.helper.make_tensor_value_info("pictures", onnx.TensorProto.FLOAT, ["B", 3, SIZE, SIZE])
    found = onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph(nodes, "means", [given], [found])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, folder / "means.onnx")
    return folder / "means.onnx"


def _use_backbone(path: Path) -> None:
    backbone = make_backbone(str(path), size=SIZE if path.suffix == ".pt" else None)
    features = backbone(np.zeros((2, *([backbone.size] * 2), 3), np.uint8))
    assert (features.shape, features.dtype.name) == ((2, backbone.dim), "float32")


def _jpeg(folder: Path) -> Path:
    Image.fromarray(np.full((24, 32, 3), 99, np.uint8)).save(folder / "a.jpg")
    return folder / "a.jpg"


def _send_picture(path: Path) -> None:
    try:
        features = ClientPictures(Means(), "a").features(path.read_bytes())
    except Refused as refused:
        raise InputError(str(refused)) from refused
    assert features.shape == (1, Means.dim)


def _request(folder: Path) -> Path:
    """All bytes of a client that sends a picture and leaves."""
    picture = _jpeg(folder).read_bytes()
    message = b"\x82\xfe" + struct.pack(">HI", len(picture), 0) + picture  # binary, with a mask of zeros
    (folder / "request").write_bytes(UPGRADE + message + CLOSE)
    return folder / "request"


class Logged(logging.Handler):
    """Keeps what the server logs."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)


@cache
def _server() -> tuple[int, Sessions, Logged]:
    """A server in a thread: its port, its streams and its log."""
    facts = ModelFacts(RUN, Means.dim, ["rest", "cut", "mix"], [0], 5.0)
    app = make_app(TrainedModel(facts.build(), facts), backbone=Means())
    logged = Logged()
    logging.getLogger().addHandler(logged)
    server = uvicorn.Server(server_config(app, Limits(), Means.dim, LARGEST_BYTES, port=0, log_config=None))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return server.servers[0].sockets[0].getsockname()[1], app.state.sessions, logged


def _send_request(path: Path) -> None:
    """Send it. The stream must be free afterwards, and the log have short lines without tracebacks."""
    port, sessions, logged = _server()
    answer = b""
    with socket.create_connection(("127.0.0.1", port)) as connection, suppress(ConnectionError, TimeoutError):
        connection.settimeout(ANSWER_SECONDS)
        connection.sendall(path.read_bytes())
        while piece := connection.recv(4096):
            answer += piece
    until = time.monotonic() + 5
    while sessions.people and time.monotonic() < until:
        time.sleep(0.001)
    assert not sessions.people, "its stream is still there"
    records, logged.records = logged.records, []
    for record in records:
        assert (record.exc_info, record.getMessage().isprintable()) == (None, True), logging.Formatter().format(record)
    if not answer.startswith(b"HTTP/1.1 101"):
        raise InputError("refused")


PICTURES = (
    Reader("video-mp4", _video("a.mp4", "libx264"), _extract),
    Reader("video-mkv", _video("a.mkv", "libx264"), _extract),
    Reader("video-avi", _video("a.avi", "mpeg4"), _extract),
    Reader("torchscript", _torchscript, _use_backbone),
    Reader("onnx", _onnx, _use_backbone),
    Reader("jpeg", _jpeg, _send_picture),
    Reader("request", _request, _send_request),
)
