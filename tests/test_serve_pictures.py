"""Clients that send pictures: they get what `predict` gives of the same pictures; what is no picture is refused."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from protas_gtcc.inference import TrainedModel
from protas_gtcc.serve.app import make_app
from protas_gtcc.serve.connections import server_config
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.pictures import LARGEST_BYTES
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.backbones.choice import make_backbone
from protas_gtcc.video.features import PictureFeatures
from tests.mstcn_folder import exit_code
from tests.test_serve import running
from tests.video_files import plain
from tests.video_models import model_on, saved, torchscript


@pytest.fixture
def backbone(tmp_path) -> Backbone:
    return make_backbone(str(torchscript(tmp_path / "means.pt", dims=(2, 3, 4), rank=5)), size=16, window=2)


@contextmanager
def serving(model: TrainedModel, backbone: Backbone | None, states: Path | None = None) -> Iterator[str]:
    app, dim = make_app(model, states=states, backbone=backbone), model.facts.feature_dim
    config = server_config(app, Limits(), dim, LARGEST_BYTES, port=0, log_config=None)
    with running(config) as address:
        yield f"ws://{address}/stream?name=a&pictures=1"


def jpeg(pixels: np.ndarray, progressive: bool = False) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=100, progressive=progressive)
    return content.getvalue()


def of_many_scans(count: int) -> bytes:
    """A small progressive JPEG whose last scan comes again and again."""
    content = io.BytesIO()
    Image.new("L", (64, 48), 128).save(content, "JPEG", progressive=True)
    whole = content.getvalue()
    scan = whole[whole.rindex(b"\xff\xc4") : -2]
    return whole[:-2] + count * scan + whole[-2:]


def answers(address: str, *messages: bytes | str) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        found = []
        async with connect(address) as socket:
            if "resume=1" in address:
                await socket.recv()  # the number of the next frame
            for message in messages:
                await socket.send(message)
                found += json.loads(await socket.recv())
        return found

    return asyncio.run(asyncio.wait_for(run(), 20))


def reason(address: str, message: bytes | str) -> str:
    try:
        answers(address, message)
    except ConnectionClosed as closed:
        return closed.rcvd.reason if closed.rcvd else "no reason"
    except InvalidStatus as refused:
        return str(json.loads(refused.response.body)["error"])
    return "not refused"


def test_a_client_that_sends_pictures_gets_what_predict_gives_of_them(backbone):
    model, pictures = model_on(backbone), [plain(number, 16, 16) for number in range(12)]
    with serving(model, backbone) as address:
        found = answers(address, *(jpeg(one, progressive=number % 2 > 0) for number, one in enumerate(pictures)))
    expected = model.predict(PictureFeatures(backbone, "pictures").of(np.stack(pictures)))
    assert [line["frame"] for line in found] == list(range(12))
    assert [line["label"] for line in found] == expected.labels.tolist()
    np.testing.assert_allclose([line["progress"] for line in found], expected.reported, rtol=0, atol=2e-5)


def test_a_client_that_connects_again_goes_on_with_the_pictures_before(backbone, tmp_path):
    model, messages = model_on(backbone), [jpeg(plain(3 * number, 16, 16)) for number in range(12)]
    with serving(model, backbone) as address:
        never_stopped = answers(address, *messages)
    found = []
    for part in (messages[:5], messages[5:]):
        with serving(model, backbone, tmp_path / "states") as address:
            found += answers(f"{address}&resume=1", *part)
    assert found == never_stopped


def test_a_state_without_the_pictures_before_is_refused(backbone, tmp_path):
    model = model_on(backbone)
    with serving(model, backbone, tmp_path) as address:
        answers(address.replace("&pictures=1", ""), np.zeros(3, "<f4").tobytes())
        assert "lacks the last 1 picture of 16 x 16" in reason(f"{address}&resume=1", jpeg(plain(1)))


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "0 bytes are not a whole JPEG"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "103 bytes are not a whole JPEG"),
        (jpeg(plain(1))[:-200], "are not a whole JPEG"),
        (jpeg(plain(1, 2, 100)), "its pictures are 2 pixels wide and 100 high"),
        (jpeg(plain(1, 4100, 4100)), "the picture is 4100 x 4100; at most 16,777,216 pixels are allowed"),
        (of_many_scans(40), "scans; at most 32 are allowed"),
        ("a text", "a text message is not a frame"),
    ],
    ids=["empty", "no JPEG", "cut off", "shape", "size", "scans", "text"],
)
def test_what_is_no_picture_is_refused_with_the_reason(backbone, message, why):
    with serving(model_on(backbone), backbone) as address:
        assert why in reason(address, message)


def test_a_server_of_features_says_that_it_takes_no_pictures(backbone):
    with serving(model_on(backbone), None) as address:
        assert "started without --pictures" in reason(address, b"")


def test_a_backbone_that_is_not_there_keeps_the_server_from_starting(backbone, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    saved(model_on(backbone), Path("model.safetensors"))
    assert exit_code("serve", "model.safetensors", "--pictures", "--port", 0) == 1
    assert "a file of yours; give it with --backbone FILE" in capsys.readouterr().err
