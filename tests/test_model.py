"""The network equals the published ones, sees no future, and no neighbour in its batch."""

import dataclasses

import numpy as np
import pytest
import torch

from protas_gtcc.annotations.task_graph import TaskGraph
from protas_gtcc.config import LossConfig, ModelConfig
from protas_gtcc.errors import InputError
from protas_gtcc.network.layers import DilatedResidualLayer, Dropout, GraphCost
from protas_gtcc.network.losses import loss_terms
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.network.reference_checkpoints import read_reference_checkpoint

SMALL = ModelConfig(stages=3, layers=4, maps=8)
ACAUSAL = dataclasses.replace(SMALL, causal=False)
MSTCN = dataclasses.replace(SMALL, causal=False, progress=False, graph=False)


def network(config: ModelConfig, seed: int = 0) -> ProgressNetwork:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    graph = TaskGraph(rng.random((4, 4)), rng.random((4, 4)))
    return ProgressNetwork(config, 5, 4, graph).eval()


def padded(frames: torch.Tensor, total: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Junk behind the end of a video `[1, D, T]`, and the mask of the video."""
    junk = torch.full((1, frames.shape[1], total - frames.shape[2]), 7.0)
    mask = torch.zeros(1, 1, total)
    mask[..., : frames.shape[2]] = 1
    return torch.cat([frames, junk], dim=-1), mask


def test_the_imported_protas_checkpoint_reproduces_the_authors_numbers(shared_folder):
    golden = np.load(shared_folder / "parity" / "protas_causal.npz")
    model, facts = read_reference_checkpoint(shared_folder / "parity" / "protas_causal.model")
    with torch.no_grad():
        outputs = model(torch.from_numpy(golden["features"])[None])
    assert facts.config.model == ModelConfig(stages=4, layers=10, maps=16)
    np.testing.assert_allclose(outputs.logits[:, 0], golden["stage_logits"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(outputs.progress[:, 0], golden["stage_progress"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(outputs.final_logits[0], golden["graph_logits"], rtol=0, atol=1e-5)
    # The authors' code stores the learnt matrices twice, so the counted ones are lost.
    assert model.graph.deviation().item() == 0
    terms = loss_terms(
        outputs,
        torch.from_numpy(golden["labels"])[None],
        torch.from_numpy(golden["progress_target"].max(axis=0))[None],
        torch.ones(1, 1, 400),
        LossConfig(),
        torch.arange(7) > 0,
    )
    terms["smoothing"] = 0.15 * terms["smoothing"]  # the golden number has its weight in it
    for name, term in terms.items():
        assert term.item() == pytest.approx(float(golden[f"loss_{name}"]), abs=1e-5), name


def test_the_imported_mstcn_checkpoint_reproduces_the_authors_numbers(shared_folder):
    golden = np.load(shared_folder / "parity" / "mstcn.npz")
    model, facts = read_reference_checkpoint(shared_folder / "parity" / "mstcn.model")
    with torch.no_grad():
        outputs = model(torch.from_numpy(golden["features"])[None])
    assert not facts.config.model.causal
    assert outputs.progress is None
    assert outputs.graph_cost is None
    np.testing.assert_allclose(outputs.logits[:, 0], golden["stage_logits"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", [SMALL, ACAUSAL, MSTCN], ids=["causal", "acausal", "mstcn"])
def test_a_videos_output_does_not_depend_on_its_batch(config):
    model = network(config)
    short, long = torch.randn(1, 5, 23), torch.randn(1, 5, 40)
    with_junk, mask = padded(short, 40)
    with torch.no_grad():
        alone = model(short)
        together = model(torch.cat([with_junk, long]), torch.cat([mask, torch.ones(1, 1, 40)]))
    torch.testing.assert_close(together.logits[:, :1, :, :23], alone.logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(together.final_logits[:1, :, :23], alone.final_logits, rtol=0, atol=1e-5)
    if config.progress:
        torch.testing.assert_close(together.progress[:, :1, :, :23], alone.progress, rtol=0, atol=1e-5)


def test_changing_the_future_never_changes_the_past():
    model = network(SMALL)
    first = torch.randn(1, 5, 60)
    second = torch.cat([first[..., :35], torch.randn(1, 5, 25) * 10], dim=-1)
    with torch.no_grad():
        one, other = model(first), model(second)
    for name in ("logits", "progress", "graph_cost", "final_logits"):
        torch.testing.assert_close(getattr(one, name)[..., :35], getattr(other, name)[..., :35], rtol=0, atol=1e-6)


@pytest.mark.parametrize("config", [ACAUSAL, MSTCN], ids=["progress", "mstcn"])
def test_an_acausal_network_sees_the_future(config):
    model = network(config)
    first = torch.randn(1, 5, 60)
    second = torch.cat([first[..., :35], torch.randn(1, 5, 25)], dim=-1)
    with torch.no_grad():
        assert not torch.allclose(model(first).logits[..., 30:35], model(second).logits[..., 30:35], atol=1e-4)


def test_a_causal_layer_reads_three_frames_and_copies_of_the_first_before_it():
    layer = DilatedResidualLayer(maps=2, dilation=3, causal=True, dropout=0.5).eval()
    x = torch.randn(1, 2, 10)
    weight, bias = layer.conv_dilated.weight, layer.conv_dilated.bias
    out, _ = layer(x)
    for t in range(10):
        seen = [x[0, :, max(t - 6, 0)], x[0, :, max(t - 3, 0)], x[0, :, t]]
        hidden = torch.relu(sum(weight[:, :, k] @ frame for k, frame in enumerate(seen)) + bias)
        expected = x[0, :, t] + layer.conv_1x1.weight[..., 0] @ hidden + layer.conv_1x1.bias
        torch.testing.assert_close(out[0, :, t], expected, rtol=0, atol=1e-6)


def test_the_graphs_cost_equals_its_definition_frame_by_frame():
    graph = GraphCost(3, learnable=True)
    pre, suc = torch.rand(3, 3), torch.rand(3, 3)
    graph.set_counted(pre, suc)
    progress = torch.randn(1, 3, 8)
    cost, _ = graph(progress)
    for t in range(8):
        done = progress[0, :, : t + 1].clamp(0, 1).max(dim=1).values
        for label in range(3):
            expected = sum(((1 - done[k]) * pre[k, label] + done[k] * suc[k, label]).item() for k in range(3))
            assert cost[0, label, t].item() == pytest.approx(expected, abs=1e-5)


def test_the_graphs_regulariser_is_zero_at_the_start_and_pulls_back_what_was_learnt():
    graph = network(SMALL).graph
    assert graph.deviation().item() == 0
    with torch.no_grad():
        graph.pre[0, 1] += 1
    deviation = graph.deviation()
    deviation.backward()
    assert deviation.item() == pytest.approx(1 / 16)
    assert graph.pre.grad[0, 1].item() > 0
    assert graph.pre.grad[1, 0].item() == 0


def test_standardised_features_are_those_that_the_first_layer_sees():
    mean, deviation = torch.tensor([1.0, -2.0, 5.0]), torch.tensor([2.0, 0.5, 0.0])
    plain = ModelConfig(stages=1, layers=2, maps=4, graph=False, dropout=0.0)
    network = ProgressNetwork(dataclasses.replace(plain, standardise=True), 3, 4).eval()
    network.set_features(mean, deviation)
    same = ProgressNetwork(plain, 3, 4).eval()
    same.load_state_dict({name: one for name, one in network.state_dict().items() if not name.startswith("feature_")})
    features = torch.rand(1, 3, 20)
    by_hand = (features - mean[:, None]) / torch.tensor([2.0, 0.5, 1.0])[:, None]  # what never varies is only centred
    torch.testing.assert_close(network(features).final_logits, same(by_hand).final_logits)


def test_without_fusion_the_classes_do_not_depend_on_the_progress_head():
    x = torch.randn(1, 5, 20)
    for fusion in (True, False):
        model = network(dataclasses.replace(SMALL, graph=False, fusion=fusion)).eval()
        before = model(x)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if name.endswith("progress_head.conv.bias"):
                    weights.add_(1)
        after = model(x)
        assert not torch.allclose(after.final_progress, before.final_progress)
        assert torch.equal(after.final_logits, before.final_logits) != fusion


def test_a_dimension_is_dropped_for_a_whole_video_by_each_parallel_stage_on_its_own():
    config = ModelConfig(stages=2, arrangement="parallel", layers=1, maps=4, graph=False, feature_dropout=0.5)
    model, x, seen = network(config).train(), torch.ones(3, 5, 20), []
    for stage in model.stages:
        stage.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model(x)
    assert all((one == one[..., :1]).all() for one in seen)
    assert torch.stack(seen).unique().tolist() == [0, 2]
    assert not torch.equal(*seen)
    assert not torch.equal(seen[0][0], seen[0][1])
    model.eval()(x)
    assert torch.equal(seen[2], x)
    assert torch.equal(seen[3], x)


def test_features_of_another_size_are_refused():
    with pytest.raises(InputError, match="features have 6 dimensions; the model was made for 5"):
        network(SMALL)(torch.randn(1, 6, 10))


def test_a_graph_without_progress_is_refused():
    with pytest.raises(InputError, match="--no-graph"):
        ModelConfig(progress=False)


def test_dropout_drops_its_share_scales_the_rest_and_does_nothing_at_prediction():
    torch.manual_seed(0)
    dropout, x = Dropout(0.25), torch.ones(2, 50, 400, requires_grad=True)
    y = dropout(x)
    y.sum().backward()
    assert y.unique().tolist() == pytest.approx([0, 4 / 3])
    assert float((y == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    torch.testing.assert_close(x.grad, y.detach())
    assert torch.equal(dropout.eval()(x), x)
