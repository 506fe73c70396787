"""Streaming equals offline for any chunking, uses no later frame, and keeps streams apart."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from protas_gtcc.annotations.transcripts import count_transcripts
from protas_gtcc.cli.commands.benchmark import timing_table
from protas_gtcc.cli.main import main
from protas_gtcc.config import PRESETS, DecodingConfig
from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.predictions import Prediction
from protas_gtcc.runs import timing
from protas_gtcc.streaming import engines
from protas_gtcc.streaming.causality import check_causality
from protas_gtcc.streaming.engines import TorchEngine
from protas_gtcc.streaming.program import Program
from protas_gtcc.streaming.recording import record
from tests.conftest import slow_but_first
from tests.tiny_models import BASE, CLASSES, CONFIGS, DECODING, DIM, make_model, video

ENGINES = ("compiled", "torch")
FIELDS = ("labels", "probs", "progress", "reported", "interval", "remaining_seconds", "remaining_interval")


def joined(parts: list[Prediction]) -> Prediction:
    def join(name: str) -> np.ndarray | None:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else np.concatenate(values, axis=-1)

    fields: dict[str, Any] = {name: join(name) for name in FIELDS}
    return Prediction(**fields)


def assert_same(one: Prediction, other: Prediction, atol: float = 1e-5) -> None:
    np.testing.assert_array_equal(one.labels, other.labels)
    for name in FIELDS[1:]:
        mine, theirs = getattr(one, name), getattr(other, name)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", slow_but_first(CONFIGS))
@settings(max_examples=15, deadline=None)
@given(chunks=st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_any_chunking_gives_the_offline_result(name, engine, filtered, chunks):
    model = make_model(CONFIGS[name], filtered=filtered)
    features = video(sum(chunks))
    stream = model.stream(engine)
    parts = [stream.step(chunk) for chunk in np.split(features, np.cumsum(chunks)[:-1])]
    assert [len(part.labels) for part in parts] == chunks
    assert_same(joined(parts), model.predict(features))
    assert stream.num_frames == len(features)


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=10, deadline=None)
@given(chunks=st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_every_stage_and_the_graph_are_the_offline_ones_in_chunks(name, chunks):
    network = make_model(CONFIGS[name]).network
    features = torch.from_numpy(video(sum(chunks))).t()[None]
    state, parts = network.start(), []
    with torch.no_grad():
        offline = network(features)
        for chunk in features.split(chunks, dim=-1):
            parts.append(network(chunk, state=state))
            state = parts[-1].state
    for field in ("logits", "progress", "graph_cost", "final_logits"):
        whole = getattr(offline, field)
        if whole is not None:
            streamed = torch.cat([getattr(part, field) for part in parts], dim=-1)
            torch.testing.assert_close(streamed, whole, rtol=0, atol=1e-5, msg=field)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_the_imported_protas_checkpoint_streams_to_the_authors_numbers(shared_folder, engine):
    golden = np.load(shared_folder / "parity" / "protas_causal.npz")
    stream = load(shared_folder / "parity" / "protas_causal.model").stream(engine)
    parts = [stream.step(frame) for frame in golden["features"].T]
    progress = golden["stage_progress"][-1].clip(0, 1)
    np.testing.assert_allclose(joined(parts).progress, progress, rtol=0, atol=1e-5)
    logits = torch.from_numpy(golden["graph_logits"])
    np.testing.assert_allclose(joined(parts).probs, torch.softmax(logits, dim=0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_changing_the_future_never_changes_the_past(engine):
    features = video(60)
    changed = features.copy()
    changed[35:] += 100
    first, second = (make_model().stream(engine).step(one) for one in (features, changed))
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(first, name)[..., :35], getattr(second, name)[..., :35])
    assert not np.allclose(first.probs[:, 35:], second.probs[:, 35:])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stream_resumes_from_a_file_bit_for_bit(engine, tmp_path):
    model, features = make_model(), video(50)
    whole = model.stream(engine)
    whole.step(features[:23])
    whole.save(tmp_path / "state.safetensors")
    resumed = make_model().stream(engine)
    resumed.step(video(7, seed=9))
    resumed.load(tmp_path / "state.safetensors")
    assert resumed.num_frames == 23
    assert_same(resumed.step(features[23:]), whole.step(features[23:]), atol=0)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_size_of_the_state_does_not_grow(engine):
    stream = make_model().stream(engine)
    sizes = []
    for _ in range(3):
        stream.step(video(100))
        sizes.append(sum(values.nbytes for values in stream.state_dict().values()))
    assert len(set(sizes)) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_a_reset_stream_is_a_new_one(engine):
    model, features = make_model(), video(30)
    stream = model.stream(engine)
    stream.step(video(40, seed=3))
    stream.reset()
    assert stream.num_frames == 0
    assert_same(stream.step(features), model.predict(features))


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("engine", ENGINES)
def test_streams_start_pause_and_end_on_their_own(engine, threads):
    model, count = make_model(), 40
    videos = [video(int(length), seed) for seed, length in enumerate(np.random.default_rng(0).integers(1, 30, count))]
    streams = model.streams(count, engine, threads)
    results: list[list[Prediction]] = [[] for _ in videos]
    rng = np.random.default_rng(1)
    while waiting := [k for k, one in enumerate(videos) if streams.stream(k).num_frames < len(one)]:
        chosen = rng.permutation(waiting)[: rng.integers(1, len(waiting) + 1)].tolist()
        frames = np.stack([videos[one][streams.stream(one).num_frames] for one in chosen])
        output = streams.step(frames, chosen)
        for k, one in enumerate(chosen):
            results[one].append(Prediction(*(getattr(output, name)[..., k : k + 1] for name in FIELDS)))
    for one, parts in zip(videos, results, strict=True):
        assert_same(joined(parts), model.predict(one))
    streams.stream(5).reset()
    assert streams.stream(6).num_frames == len(videos[6]), "the others are not reset"
    assert_same(streams.stream(5).step(videos[7]), model.predict(videos[7]))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_result_for_one_stream_does_not_depend_on_the_others(engine):
    alone, together = make_model().streams(2, engine), make_model().streams(2, engine)
    features = video(25)
    for frame in features:
        mine = alone.step(frame[None], [0])
        both = together.step(np.stack([frame, frame * -50]))
        np.testing.assert_allclose(mine.probs[:, 0], both.probs[:, 0], rtol=0, atol=0 if engine == "compiled" else 1e-6)


def test_a_refused_frame_moves_no_stream():
    stream = make_model().stream()
    stream.step(video(3))
    bad = video(4)
    bad[2, 1] = np.nan
    for frames, message in (
        (bad, r"NaN, infinity or a value above 1e12 at frame 5; replace it"),
        (video(4).T, r"frames are \(5, 4\); the model takes"),
        (np.zeros((1, 2, DIM)), "the model takes"),
    ):
        with pytest.raises(InputError, match=message):
            stream.step(frames)
    assert stream.num_frames == 3


@pytest.mark.parametrize("engine", ENGINES)
def test_a_value_that_would_overflow_is_refused_and_moves_nothing(engine):
    model, features = make_model(), video(12)
    stream, several = model.stream(engine), model.streams(3, engine)
    huge = features.copy()
    huge[6, 1] = 3e38
    parts = [stream.step(features[:5])]
    for frames, frame in ((huge[5:], 6), (huge[6], 5), (features[5:].astype(np.float64) * 1e39, 5)):
        with pytest.raises(InputError, match=f"at frame {frame}; replace it"):
            stream.step(frames)
    assert_same(joined([*parts, stream.step(features[5:])]), model.predict(features))
    with pytest.raises(InputError, match="at frame 0 of stream 2; replace it"):
        several.step(np.stack([features[0], huge[6]]), [0, 2])
    assert_same(several.stream(0).step(features), model.predict(features))
    with pytest.raises(InputError, match="at frame 6; extract them again"):
        model.predict(huge)
    with pytest.raises(InputError, match="at frame 0; extract them again"):
        model.predict(features.astype(np.float64) * 1e39)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=10, deadline=None)
@given(before=st.integers(0, 40), chunk=st.integers(1, 40), bad=st.integers(0, 39))
def test_a_network_that_overflows_is_refused_and_its_streams_have_not_moved(engine, before, chunk, bad):
    model, features = make_model(), video(80) * 1e-20
    stage: Any = model.network.stages[0]
    stage.conv_in.weight.data *= 1e27
    streams = model.streams(2, engine)
    stream, number = streams.stream(1), streams.stream(0).num_frames
    first = stream.step(features[:before])
    state = stream.state_dict()
    huge = features[before : before + chunk].copy()
    huge[bad % chunk] = 1e12
    with pytest.raises(InputError, match="the network's output is not finite: its weights are too large"):
        stream.step(huge)
    after = stream.state_dict()
    assert all(torch.equal(after[name], values) for name, values in state.items())
    assert_same(joined([first, stream.step(features[before:])]), model.predict(features))
    with pytest.raises(InputError, match="the network's output is not finite"):
        streams.step(np.stack([features[0], huge[bad % chunk]]))
    assert (streams.stream(0).num_frames, stream.num_frames) == (number, 80)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_state_that_would_overflow_is_refused_though_its_output_is_finite(engine):
    model = make_model(CONFIGS["no graph"])
    head: Any = model.network.stages[0].progress_head
    head.gru.weight_ih_l0.data[:] = 1e37 * head.gru.weight_ih_l0.data.sign()  # of a stage whose progress is not used
    stream = model.stream(engine)
    with pytest.raises(InputError, match="the network's output is not finite"):
        stream.step(video(3) * 1e8)
    assert stream.num_frames == 0
    assert all(not values.any() for name, values in stream.state_dict().items() if name != "model")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("config", [BASE, dataclasses.replace(BASE, standardise=True)])
def test_the_largest_features_that_are_taken_do_not_overflow(engine, config):
    model, features = make_model(config), np.clip(video(40), -1, 1) * np.float32(1e12)
    stream = model.stream(engine)
    assert np.isfinite(stream.step(features).reported).all()
    assert np.isfinite(model.predict(features).reported).all()
    assert all(values.isfinite().all() for values in stream.state_dict().values())


def test_streams_that_do_not_exist_or_are_given_twice_are_refused():
    streams = make_model().streams(3)
    for chosen, frames, message in (
        ([3], 1, "there is no stream 3; streams are numbered 0 to 2"),
        ([1, 1], 2, r"a stream is given twice in \[1, 1\]"),
        (np.array([True, False, True]), 3, "expected whole numbers for streams, found"),
        (np.array([1.9]), 1, "expected whole numbers for streams, found"),
        (None, 2, "2 frames for 3 streams"),
    ):
        with pytest.raises(InputError, match=message):
            streams.step(video(frames), chosen)
    with pytest.raises(InputError, match="there is no stream 3"):
        streams.stream(3)
    with pytest.raises(InputError, match="0 streams were requested; request at least 1"):
        make_model().streams(0)


def test_a_state_of_another_model_is_refused_and_changes_nothing(tmp_path):
    model, other = make_model(), make_model(seed=5).stream()
    stream = model.stream()
    stream.step(video(4))
    other.step(video(9))
    other.save(tmp_path / "other")
    (tmp_path / "cut").write_bytes((tmp_path / "other").read_bytes()[:99])
    for name, message in (("other", "belongs to a model with other weights"), ("cut", "is not a whole safetensors")):
        with pytest.raises(InputError, match=message):
            stream.load(tmp_path / name)
    own = stream.state_dict()
    for state, message in (
        (make_model().stream("torch").state_dict(), "no state of such a stream"),
        (own | {"num_frames": torch.tensor([-5])}, "no state of such a stream: num_frames"),
        (own | {"rings": own["rings"] * float("nan")}, "no state of such a stream: rings"),
        (own | {"belief": -own["belief"]}, "belief is not a probability"),
        (own | {"belief": 5 * own["belief"]}, "belief is not a probability"),
        (own | {"label": own["label"] + 9}, "label .* is no class"),
    ):
        with pytest.raises(InputError, match=message):
            stream.load_state_dict(state)
    assert stream.num_frames == 4
    with pytest.raises(InputError, match="it has no belief"):
        make_model(filtered=False).stream().load_state_dict(own)
    facts = dataclasses.replace(model.facts, transcripts=count_transcripts([np.arange(4)], 4, DECODING, 5.0))
    with pytest.raises(InputError, match=r"no state of such a stream|other weights"):
        TrainedModel(model.network, facts).stream().load_state_dict(own)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_acausal_model_is_refused_with_the_reason(engine):
    model = make_model(dataclasses.replace(BASE, causal=False))
    with pytest.raises(InputError, match="depends on frames that come later; train one with --causal"):
        model.stream(engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_chunk_gives_no_result_and_changes_nothing(engine):
    stream = make_model().stream(engine)
    assert stream.step(np.zeros((0, DIM))).probs.shape == (CLASSES, 0)
    assert stream.num_frames == 0


def test_a_causal_model_is_proved_to_see_no_future():
    [finding] = check_causality(make_model().network, "run")
    assert finding.level == "note"
    assert "no layer's output at t changes" in finding.what


def test_the_layer_that_sees_the_future_is_named():
    [finding] = check_causality(make_model(dataclasses.replace(BASE, causal=False)).network, "run")
    assert "layer stages.0.layers.0.conv_dilated sees the future" in finding.what
    network: Any = make_model().network
    network.stages[1].layers[2].conv_1x1 = torch.nn.Conv1d(8, 8, 3, padding=1)
    [finding] = check_causality(network, "run")
    assert finding.level == "error"
    assert "layer stages.1.layers.2.conv_1x1 sees the future" in finding.what


def test_a_model_whose_output_is_nan_is_not_proved_causal():
    network: Any = make_model(dataclasses.replace(BASE, causal=False)).network
    torch.nn.init.constant_(network.stages[0].conv_in.weight, float("nan"))
    [finding] = check_causality(network, "run")
    assert finding.level == "error"


def test_a_future_that_only_the_task_graph_sees_is_found_too(monkeypatch):
    network = make_model().network
    monkeypatch.setattr(network.graph, "forward", lambda progress, done: (progress.flip(-1), progress[..., -1]))
    [finding] = check_causality(network, "run")
    assert "layer graph sees the future" in finding.what


# Selection of the engine


class Then(torch.nn.Module):
    """A layer, and then a function of its output."""

    def __init__(self, layer: torch.nn.Module, function: Callable[[torch.Tensor], torch.Tensor]):
        super().__init__()
        self.layer, self.function = layer, function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self.layer(x))


def changed_model(function: Callable[[torch.Tensor], torch.Tensor]) -> TrainedModel:
    """A model of one stage whose progress head ends with `function`."""
    model = make_model(CONFIGS["one stage"])
    stage: Any = model.network.stages[0]
    stage.progress_head.conv = Then(stage.progress_head.conv, function)
    return model


def constant(x: torch.Tensor) -> torch.Tensor:
    return torch.full(tuple(x.shape), 0.5)


@pytest.mark.parametrize("function", [torch.exp_, torch.neg_, torch.relu_, torch.sigmoid_, constant])
def test_an_operation_in_place_and_a_constant_give_right_results(function):
    model, features = changed_model(function), video(30)
    assert_same(model.stream().step(features), model.predict(features))


def test_an_operation_that_cannot_be_recorded_is_reported_once(caplog):
    engines._report_fallback.cache_clear()
    for _ in range(2):
        stream = changed_model(torch.exp_).stream()
    assert isinstance(stream._streams._engine, TorchEngine)
    [line] = [one.getMessage() for one in caplog.records]
    assert line.startswith("streams run in torch")
    assert "aten.exp_.default cannot be recorded" in line
    with pytest.raises(NotImplementedError, match="cannot be recorded"):
        changed_model(torch.exp_).stream("compiled")


def test_an_operation_with_a_factor_cannot_be_recorded():
    with pytest.raises(NotImplementedError, match="alpha cannot be recorded"):
        record(changed_model(lambda x: torch.add(x, x, alpha=2)).network)


def test_a_program_that_differs_from_the_network_is_not_used(monkeypatch, caplog):
    engines._report_fallback.cache_clear()

    def wrong(network: ProgressNetwork) -> Program:
        program = record(network)
        return dataclasses.replace(program, weights=program.weights * 1.01)

    monkeypatch.setattr(engines, "record", wrong)
    model, features = make_model(), video(20)
    stream = model.stream()
    assert isinstance(stream._streams._engine, TorchEngine)
    assert "differs from the network by" in caplog.text
    assert_same(stream.step(features), model.predict(features))


def test_every_causal_preset_and_features_of_any_scale_pass_the_check_which_leaves_no_trace():
    scaled = make_model(CONFIGS["standardised"])
    scaled.network.set_features(torch.full((DIM,), 1e3), torch.full((DIM,), 1e-3))
    sizes = [one.model.at(1.0, 16.0) for one in PRESETS.values()]
    for model in (
        scaled,
        *(make_model(dataclasses.replace(one, stages=2, maps=8)) for one in sizes if one.causal),
    ):
        assert model.stream("compiled").num_frames == 0


@pytest.mark.slow
def test_prediction_without_a_filter_imports_no_compiler(tmp_path):
    model = make_model(filtered=False)
    config = dataclasses.replace(model.facts.config, decoding=DecodingConfig(filter="none"))
    save_checkpoint(tmp_path / "model.safetensors", model.network, dataclasses.replace(model.facts, config=config))
    code = (
        "import sys, numpy, protas_gtcc; model = protas_gtcc.load(sys.argv[1]);"
        "model.predict(numpy.zeros((3, 5), dtype=numpy.float32));"
        "print([name for name in ('numba', 'scipy.stats', 'pandas', 'protas_gtcc.streaming') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "model.safetensors")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_model_prints_what_it_is():
    text = repr(make_model())
    assert text.startswith("TrainedModel\n")
    for part in (
        "classes: 4: rest, cut, mix, serve (background: rest)",
        "features: 5 dimensions, 5 fps, 0 look-ahead frames",
        "preset: reference",
        "network: 3 stages of 4 layers in series, with progress, causal",
        "decoding: duration filter",
        "parameters: ",
        "dataset: unknown",
        "split: 1, 0 training videos",
    ):
        assert f"  {part}" in text


def test_a_prediction_prints_a_summary_and_no_array():
    labels, reported = np.array([0, 1, 1, 2, 0]), np.array([0, 0.25, 0.5, 1, 0])
    text = "Prediction: 5 frames in 4 segments, 3 of 4 classes, reported progress 0.00 to 1.00"
    assert repr(Prediction(labels, np.full((4, 5), 0.25), None, reported)) == text
    assert "1 class, " in repr(Prediction(labels[:1], None, None, reported[:1]))
    assert repr(Prediction(labels[:0], None, None, reported[:0])) == "Prediction: 0 frames"


# The verbs


@pytest.fixture
def checkpoint(tmp_path):
    model = make_model()
    save_checkpoint(tmp_path / "checkpoint.safetensors", model.network, model.facts)
    return tmp_path / "checkpoint.safetensors"


@pytest.mark.slow
def test_the_benchmark_times_every_way_to_process_a_video(checkpoint, monkeypatch, capsys):
    monkeypatch.setattr(timing, "PREFIX_SECONDS", 0.0)
    options = ["--histories", "5", "20", "--streams", "3", "--samples", "4", "--json"]
    main(["benchmark", str(checkpoint), *options])
    printed = json.loads(capsys.readouterr().out)
    assert printed["state_bytes"] > 0
    found = [(one["what"], one["engine"], one["history"]) for one in printed["timings"]]
    of_each = [("stream", "compiled"), ("stream", "torch"), ("prefix run again", "torch")]
    assert found == [
        *((*one, history) for history in (5, 20) for one in of_each),
        ("3 streams, 1 thread", "auto", 0),
        ("offline, a frame", "torch", 20),
    ]
    assert all(0 < one["p50_ms"] <= one["p95_ms"] <= one["p99_ms"] for one in printed["timings"])
    main(["benchmark", str(checkpoint), *options[:-1]])
    table = capsys.readouterr().out
    assert max(map(len, table.partition("model:")[0].splitlines())) <= 80
    for words in ("faster", "stream, compiled", "3 streams, 1 thread", "\nversions: protas_gtcc 0"):
        assert words in table
    assert "…" not in table, "nothing is cut"


def test_the_table_of_a_benchmark_with_large_numbers_fits_80_columns():
    one = timing.Timing("64 streams, 16 threads", "auto", 100_000, 64, 5, 12345.6, 12345.6, 12345.6, 1_234_567.0)
    stream = timing.Timing("stream", "compiled", 100_000, 1, 5, 0.1234, 0.1234, 0.1234, 8_000.0)
    prefix = timing.Timing("prefix run again", "torch", 100_000, 1, 5, 12345.6, 12345.6, 12345.6, 0.1)
    screen = io.StringIO()
    Console(file=screen, width=80).print(timing_table([one, stream, prefix]))
    shown = screen.getvalue()
    for figure in ("64 streams, 16 threads", "100,000", "12,346", "1,234,567", "0.123", "100,045 x"):
        assert figure in shown


def test_a_model_is_proved_causal_from_the_command_line(checkpoint, capsys):
    main(["check", "--causal", str(checkpoint)])
    assert "0 errors" in capsys.readouterr().out
