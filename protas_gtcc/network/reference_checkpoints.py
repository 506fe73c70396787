"""Published checkpoints: `state_dict`s as the authors of ProTAS and MS-TCN save them.

The architecture follows from the names and shapes of the tensors. What they do not hold (class names, background, fps)
is given by the caller or stays unknown; it is never guessed. The counted task graph is lost in them, too: the authors'
code shares its storage with the learnt one, so both are equal here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from protas_gtcc.config import REFERENCE, ModelConfig
from protas_gtcc.errors import InputError, plural
from protas_gtcc.network.checkpoint import ModelFacts, require_finite_tensors, require_shapes
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.storage.tensors import load_tensors_alone

FIRST_WEIGHT = "stage1.conv_1x1.weight"
RENAMED = {
    "conv_1x1": "conv_in",
    "conv_out": "conv_logits",
    "gru_app": "progress_head.gru",
    "conv_app": "progress_head.conv",
    "prob_fusion.conv": "fusion",
}


def read_reference_checkpoint(
    path: Path,
    class_names: Sequence[str] | None = None,
    background: Sequence[int] = (),
    fps: float | None = None,
    causal: bool | None = None,
) -> tuple[ProgressNetwork, ModelFacts]:
    """Read a checkpoint of ProTAS or MS-TCN into our network, in evaluation mode.

    Args:
        path: the authors' `epoch-N.model`.
        class_names: in the order of their mapping file; by default `class_0`, `class_1`, …
        background: background class ids; by default none.
        fps: frames a second of the features.
        causal: by default as in the GRU; without a GRU False, as in the published MS-TCN.

    Raises `InputError` if the file is no such checkpoint, or the class names do not fit.
    """
    state = load_tensors_alone(path)
    is_state = isinstance(state, dict) and all(isinstance(one, str) for one in state)
    if not is_state or not all(isinstance(one, Tensor) for one in state.values()) or FIRST_WEIGHT not in state:
        what = f"{path} is not a checkpoint of ProTAS or MS-TCN: it has no {FIRST_WEIGHT} among tensors"
        raise InputError(f"{what}; name another file")
    try:
        config = dataclasses.replace(REFERENCE, dataset="", model=_architecture(state, causal, path))
        ours, feature_dim = _our_state(state), state[FIRST_WEIGHT].shape[1]
        num_classes = state["stage1.conv_out.weight"].shape[0]
    except (IndexError, KeyError, ValueError) as error:
        raise InputError(f"{path} is not a checkpoint of ProTAS or MS-TCN ({error!r}); name another file") from error
    names = list(class_names or [f"class_{i}" for i in range(num_classes)])
    if len(names) != num_classes or any(not 0 <= label < num_classes for label in background):
        raise InputError(
            f"{path} has {plural(num_classes, 'class')}; the dataset has {len(names)}, background {list(background)}; "
            "give the dataset that it was trained on"
        )
    facts = ModelFacts(config, feature_dim, names, list(background), fps)
    try:
        require_shapes(facts.build, ours)
        network = facts.build()
        network.load_state_dict(ours)
    except RuntimeError as error:
        what = f"{path} is not a checkpoint of ProTAS or MS-TCN ({' '.join(str(error).split())})"
        raise InputError(f"{what}; name another file") from error
    require_finite_tensors(network.state_dict(), str(path), "name a checkpoint of an earlier epoch")
    return network.eval(), facts


def _architecture(state: Mapping[str, Tensor], causal: bool | None, path: Path) -> ModelConfig:
    stages = {name.split(".")[1] for name in state if name.startswith("stages.")}
    layers = {name.split(".")[2] for name in state if name.startswith("stage1.layers.")}
    if not layers:
        raise ValueError("it has no stage1.layers")
    progress = "stage1.gru_app.weight_ih_l0" in state
    graph = "graph_learner.matrix_pre" in state
    by_gru = progress and "stage1.gru_app.weight_ih_l0_reverse" not in state
    if progress and causal is not None and causal != by_gru:
        raise InputError(f"{path}: its GRU is that of causal={by_gru}, but causal={causal} was given; leave it out")
    return ModelConfig(
        stages=1 + len(stages),
        layers=len(layers),
        maps=state["stage1.conv_1x1.weight"].shape[0],
        causal=by_gru if causal is None else causal,
        progress=progress,
        graph=graph,
        learnable_graph=graph and "graph_learner.matrix_pre_original" in state,
    )


def _our_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed = {_our_name(name): tensor for name, tensor in state.items()}
    for name in ("graph.pre", "graph.suc"):
        if name in renamed:  # a graph that was not learnt is saved without the counted copy
            renamed.setdefault(f"{name}_counted", renamed[name].clone())
    return renamed


def _our_name(name: str) -> str:
    """`stage1.x` -> `stages.0.x`, `stages.i.x` -> `stages.(i+1).x`, and the modules by our names."""
    top, _, rest = name.partition(".")
    if top == "graph_learner":
        return f"graph.{rest.removeprefix('matrix_').replace('_original', '_counted')}"
    index = 0
    if top == "stages":
        number, _, rest = rest.partition(".")
        index = int(number) + 1
    for theirs, ours in RENAMED.items():
        if rest.startswith(f"{theirs}."):
            rest = ours + rest[len(theirs) :]
    return f"stages.{index}.{rest}"
