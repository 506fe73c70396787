"""Steps that are annotated in training recordings, but that no training frame shows: nothing is learnt of them.

The filter's states are the classes that frames show. A step that later ones hide in every recording, or that is too
short for a frame, is no state of its task, so `count_procedures` leaves it out.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.errors import plural
from protas_gtcc.procedure.tables import Recording


def count_hidden_steps(recordings: Iterable[Recording], states: TranscriptTables) -> dict[tuple[int, int], int]:
    """(Task, class) of each step that no state of its task stands for, and how often it is annotated."""
    known = set(zip(states.state_task.tolist(), states.state_class.tolist(), strict=True))
    every = Counter((task, label) for steps, task in recordings for label in np.asarray(steps)[:, 2].tolist())
    return {step: number for step, number in sorted(every.items()) if step not in known}


def warn_of_hidden_steps(
    recordings: Iterable[Recording], states: TranscriptTables, tasks: Sequence[str], class_names: Sequence[str]
) -> None:
    """Log a warning for each of them; `tasks` are the names of the states' tasks, [] for a single unnamed one."""
    for (task, label), number in count_hidden_steps(recordings, states).items():
        of_task = f" of task {tasks[task]!r}" if tasks else ""
        what = f"step {class_names[label]!r}{of_task} is annotated {plural(number, 'time')}"
        why = "but no training frame shows it: procedures are learnt without it"
        way_out = "add a recording in which no other step hides it"
        logging.getLogger(__name__).warning("%s, %s; %s", what, why, way_out)
