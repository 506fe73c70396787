"""Progress of a task: it grows as time does where every video has the same stages in the same shares."""

from __future__ import annotations

import numpy as np

from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.annotations.task_progress import count_stages, task_progress


def test_in_videos_of_the_same_shares_it_is_the_share_of_time():
    labels = [np.repeat([2, 1, 3], [2 * k, 5 * k, 3 * k]) for k in (1, 4)]
    stages = count_stages(labels, 5, [0])
    np.testing.assert_allclose(stages.share, [0, 0.5, 0.2, 0.3, 0])
    np.testing.assert_allclose(stages.before, [0, 0.2, 0, 0.7, 0])
    for one in labels:
        progress = task_progress(one, progress_target(one, [0]), stages, [0])
        np.testing.assert_allclose(progress, np.arange(1, len(one) + 1) / len(one), atol=1e-6)


def test_the_background_keeps_what_was_reached_and_a_step_back_is_seen():
    stages = count_stages([np.array([0, 1, 1, 2, 2, 0])], 3, [0])
    labels = np.array([0, 1, 1, 0, 2, 1, 0])
    progress = np.array([0.9, 0.5, 1, 0.3, 0.5, 0.5, 0])
    expected = [0, 0.25, 0.5, 0.5, 0.75, 0.25, 0.25]
    np.testing.assert_allclose(task_progress(labels, progress, stages, [0]), expected)
