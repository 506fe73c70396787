"""Drawn task graphs: both forms, the classes that they mean, and one line for each thing that can be wrong."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.annotations.partial_order import closure
from protas_gtcc.annotations.transcripts import TranscriptTables, count_transcripts
from protas_gtcc.config import DecodingConfig
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.captaincook4d import open_captaincook4d
from protas_gtcc.layouts.drawn_graphs import NO_STEPS, DrawnGraph, read_drawn_graphs
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.procedure.drawn_graph import classes_of_steps, drawn_needs
from protas_gtcc.procedure.tables import Recording, count_procedures

CLASSES = ["background", "Boil water", "Tea: Stir", "Add 1/2 tsp tea", "Soup: Stir", "Cut (step 4)", "Cut (step 7)"]
TEA, SOUP = [0, 1, 2, 3], [0, 4, 5, 6]
STEPS = {"0": "START", "1": "Stir-Stir", "2": "add-1/2 tsp tea (green). Taste it", "3": "Boil-Boil water", "4": "END"}
PUBLISHED = {"steps": STEPS, "edges": [[0, 3], [3, 2], [2, 1], [3, 1], [1, 4]]}
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "captaincook4d"


@pytest.fixture
def states() -> TranscriptTables:
    """Soup is task 0, tea is task 1."""
    return count_transcripts([np.array(TEA), np.array(SOUP)], len(CLASSES), DecodingConfig(), 1.0, ["Tea", "Soup"])


def write(folder: Path, name: str, content: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / name


def read(path: Path, tasks: tuple[str, ...] = ("Soup", "Tea")) -> list[DrawnGraph]:
    return read_drawn_graphs(path, tasks)[0]


def waits(needs: np.ndarray, states: TranscriptTables) -> set[tuple[str, str]]:
    """Names of (earlier, later)."""
    begin = np.searchsorted(states.state_task, states.state_task)
    return {
        (CLASSES[states.state_class[begin[row] + column]], CLASSES[states.state_class[row]])
        for row, column in np.argwhere(needs)
    }


def test_descriptions_mean_the_classes_that_are_short_forms_of_them(tmp_path: Path, states: TranscriptTables) -> None:
    graphs = read(write(tmp_path, "tea.json", PUBLISHED))
    needs = drawn_needs(graphs, states, ["Soup", "Tea"], CLASSES)
    assert needs.shape == (8, 4)
    assert waits(needs, states) == {("Boil water", "Add 1/2 tsp tea"), ("Add 1/2 tsp tea", "Tea: Stir")}
    assert not needs[states.state_task == 0].any()


def test_the_plain_form_has_names_of_classes(tmp_path: Path, states: TranscriptTables) -> None:
    content = {"task": "Soup", "edges": [["Cut (step 7)", "Soup: Stir"], ["Cut (step 4)", "Soup: Stir"]]}
    graphs = read(write(tmp_path, "mine.json", content))
    needs = drawn_needs(graphs, states, ["Soup", "Tea"], CLASSES)
    assert waits(needs, states) == {("Cut (step 7)", "Soup: Stir"), ("Cut (step 4)", "Soup: Stir")}


def test_a_dataset_that_knows_no_tasks_takes_a_graph_of_the_task_without_a_name(tmp_path: Path) -> None:
    states = count_transcripts([np.array(TEA)], len(CLASSES), DecodingConfig(), 1.0)
    graphs = read(write(tmp_path, "mine.json", {"task": "", "edges": [["Boil water", "Tea: Stir"]]}), tasks=())
    assert waits(drawn_needs(graphs, states, [], CLASSES), states) == {("Boil water", "Tea: Stir")}


def test_the_graph_fits_the_tables_of_a_procedure(tmp_path: Path, states: TranscriptTables) -> None:
    needs = drawn_needs(read(write(tmp_path, "tea.json", PUBLISHED)), states, ["Soup", "Tea"], CLASSES)
    recordings = [Recording(np.array([[0, 1, 1], [1, 2, 2]]), 1)]
    np.testing.assert_array_equal(count_procedures(recordings, states, [0], 1.0, needs).needs, needs)


def test_a_step_that_comes_twice_is_one_class(tmp_path: Path, states: TranscriptTables) -> None:
    steps = {"1": "Boil-Boil water", "2": "Stir", "3": "Boil-Boil water", "4": "Stir", "5": "Add 1/2 tsp tea"}
    content = {"steps": steps, "edges": [[1, 2], [2, 3], [3, 4], [4, 5]]}
    needs = drawn_needs(read(write(tmp_path, "tea.json", content)), states, ["Soup", "Tea"], CLASSES)
    assert waits(needs, states) == {("Boil water", "Tea: Stir"), ("Tea: Stir", "Add 1/2 tsp tea")}


def test_what_waits_for_a_step_that_training_does_not_show_waits_for_what_it_waits_for(tmp_path: Path) -> None:
    labels = [np.array([0, 1, 2]), np.array(SOUP)]
    states = count_transcripts(labels, len(CLASSES), DecodingConfig(), 1.0, ["Tea", "Soup"])
    needs = drawn_needs(read(write(tmp_path, "tea.json", PUBLISHED)), states, ["Soup", "Tea"], CLASSES)
    assert waits(needs, states) == {("Boil water", "Tea: Stir")}


def test_of_a_folder_graphs_of_other_tasks_are_left_out_and_named(tmp_path: Path) -> None:
    for name in ("tea.json", "coffee.json"):
        write(tmp_path / "graphs", name, PUBLISHED)
    graphs, notices = read_drawn_graphs(tmp_path / "graphs", ["Soup", "Tea"])
    assert [graph.task for graph in graphs] == ["Tea"]
    assert notices[0] == f"{tmp_path / 'graphs'}: coffee.json left out: not named after a task of the dataset"


def test_tasks_without_a_graph_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, "tea.json", PUBLISHED)
    assert read_drawn_graphs(path, ["Tea"])[1] == []
    notice = f"{path}: no graph of Soup, Stew: their order is learnt from training videos alone"
    assert read_drawn_graphs(path, ["Soup", "Stew", "Tea"])[1] == [notice]


def test_a_folder_without_graphs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("none yet")
    with pytest.raises(InputError, match=f"^{tmp_path} has no graph; put one JSON file for each task into it, named "):
        read(tmp_path)


def test_the_name_of_a_file_is_the_task_reduced_to_letters(tmp_path: Path) -> None:
    write(tmp_path / "graphs", "blenderbananapancakes.json", PUBLISHED)
    assert read(tmp_path / "graphs", ("Blender Banana Pancakes", "Tea"))[0].task == "Blender Banana Pancakes"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "tea.json is not JSON that can be read"),
        ([], "tea.json: expected an object with edges, came list"),
        ({"steps": STEPS}, "expected 'edges' as a list of pairs"),
        ({"steps": STEPS, "edges": [[1, 2, 3]]}, "expected 'edges' as a list of pairs"),
        ({"steps": [1], "edges": []}, "expected 'steps' as an object of numbers and descriptions"),
        ({"steps": {"1": ""}, "edges": []}, "expected 'steps' as an object of numbers and descriptions"),
        ({"steps": STEPS, "edges": [[1, 9]]}, r"edge \[1, 9\] has 9, which is none of its steps"),
        ({"task": "Tea", "edges": [["Boil water", [1]]]}, r"has \[1\], which is none of its steps"),
        ({"task": "Tea", "edges": [["Boil water", True]]}, "has True, which is none of its steps"),
        ({"task": "Coffee", "edges": []}, "unknown task 'Coffee'; use one of the dataset's tasks 'Soup', 'Tea'"),
        ({"task": 3, "edges": []}, "unknown task 3; use one"),
        (
            {"task": "Tea", "edges": [["a", "b"], ["b", "c"], ["c", "a"]]},
            "a cycle: 'a' before 'b' before 'c' before 'a'; remove one of these edges",
        ),
        ({"task": "Tea", "edges": [["a", "a"]]}, "a cycle: 'a' before 'a'"),
        ({"steps": STEPS, "edges": [[4, 1], [1, 4]]}, "a cycle: 'Stir-Stir' before 'END' before 'Stir-Stir'"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, "tea.json", content))


def test_a_graph_of_no_task_is_refused(tmp_path: Path) -> None:
    found = r"coffee.json: no graph of a task of the dataset; the files are coffee.json, the tasks Soup, Tea; name a"
    with pytest.raises(InputError, match=found):
        read(write(tmp_path, "coffee.json", PUBLISHED))


def test_two_graphs_of_a_task_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "graphs", "tea.json", PUBLISHED)
    write(tmp_path / "graphs", "mine.json", {"task": "Tea", "edges": []})
    with pytest.raises(InputError, match=r"tea.json and mine.json are both graphs of task 'Tea'; remove one"):
        read(tmp_path / "graphs")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("Pour", "unknown step 'Pour' of task 'Soup': no class is called 'Pour'; correct its name"),
        ("Stir", "unknown step 'Stir' of task 'Soup': no class is called 'Stir'; correct its name"),
        ("Boil water", "step 'Boil water' is one of other tasks, not of 'Soup'; remove the step"),
    ],
)
def test_a_step_that_is_no_class_of_the_task_is_refused(
    tmp_path: Path, states: TranscriptTables, step: str, message: str
) -> None:
    graphs = read(write(tmp_path, "mine.json", {"task": "Soup", "edges": [[step, "Soup: Stir"]]}))
    with pytest.raises(InputError, match=f"mine.json: {message}"):
        drawn_needs(graphs, states, ["Soup", "Tea"], CLASSES)


def test_a_description_of_several_or_no_classes_is_refused(tmp_path: Path, states: TranscriptTables) -> None:
    messages = {
        "cut-Cut": r"step 'cut-Cut' may be any of the classes Cut \(step 4\), Cut \(step 7\); write the graph",
        "pour-Pour slowly (hot)": "unknown step .* of task 'Soup': no class is called 'Pour slowly'; correct its name",
    }
    for step, message in messages.items():
        graphs = read(write(tmp_path, "soup.json", {"steps": {"1": step}, "edges": []}))
        with pytest.raises(InputError, match=f"soup.json: {message}"):
            drawn_needs(graphs, states, ["Soup", "Tea"], CLASSES)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published annotations are not here")
def test_every_step_of_the_published_graphs_is_a_class_and_every_class_a_step() -> None:
    layout = open_captaincook4d(SHARED, LayoutOptions(no_features=True))
    tasks = [layout.task(video) for video in layout.video_names]
    labels = (layout.labels(video) for video in layout.video_names)
    states = count_transcripts(labels, len(layout.class_names), DecodingConfig(), 1.0, tasks)
    names = sorted(set(tasks))
    graphs, notices = read_drawn_graphs(SHARED / "task_graphs", names)
    assert (len(graphs), notices) == (18, [])
    matched = Counter(int(label) for graph in graphs for label in classes_of_steps(graph, layout.class_names))
    assert matched.keys() == {-1, *range(1, len(layout.class_names))}
    needs = drawn_needs(graphs, states, names, layout.class_names)
    begin = np.searchsorted(states.state_task, np.arange(len(names) + 1))
    for graph in graphs:
        _require_same_order(graph, layout.class_names, states, needs, begin, names.index(graph.task))


def _require_same_order(
    graph: DrawnGraph,
    class_names: list[str],
    states: TranscriptTables,
    needs: np.ndarray,
    begin: np.ndarray,
    task: int,
) -> None:
    """Where no step comes twice, the order of the classes is that of the steps."""
    low, high = begin[task], begin[task + 1]
    steps = np.array([number for number, name in enumerate(graph.steps) if name not in NO_STEPS])
    classes = classes_of_steps(graph, class_names)[steps]
    if len(set(classes)) == len(classes):
        place = np.searchsorted(states.state_class[low:high], classes)
        drawn, found = closure(graph.before)[np.ix_(steps, steps)], closure(needs[low:high, : high - low].T)
        np.testing.assert_array_equal(found[np.ix_(place, place)], drawn)
