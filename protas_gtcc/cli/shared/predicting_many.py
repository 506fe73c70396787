"""Predicting many videos into shards, in jobs or here, and the index that makes the shards one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from protas_gtcc.cli.shared.console import make_console, print_skipped
from protas_gtcc.cli.shared.interruption import interruption_prints
from protas_gtcc.cli.shared.predicted_folder import PARTS
from protas_gtcc.cli.shared.predicted_shards import JobShards, Shards
from protas_gtcc.cli.shared.predicting import Predictor
from protas_gtcc.cli.shared.video_jobs import do_videos
from protas_gtcc.cli.shared.work_lists import WorkFlags
from protas_gtcc.errors import InputError

if TYPE_CHECKING:
    from protas_gtcc.cli.shared.inputs import Input
    from protas_gtcc.predictions import Prediction

SHARDS_KEPT = "interrupted; whole shards are kept: the same command goes on"


@dataclass(frozen=True)
class ManyVideos:
    """Videos, their shards, and why some cannot be predicted."""

    inputs: Sequence[Input]
    shards: Shards
    broken: dict[str, str]

    def predict_in_jobs(self, command: Any, work: WorkFlags) -> None:
        """Predict what is not whole in jobs of `predict`, the command. Raises `InputError` as `do_videos` does."""
        share_of = partial(self.shards.share, self.shards.whole(self.inputs))
        do_videos("predict", command, "features", self.inputs, share_of, work, make_console(stderr=True))

    def predict_here(self, load: Callable[[], Predictor]) -> None:
        """Predict what is not whole in this process. Raises `InputError` if no video can be predicted."""
        whole = self.shards.whole(self.inputs)
        left = [one for one in self.inputs if one.name not in whole]
        if not left:
            return
        try:
            predict_shards(load, left, self.broken, self.shards.of_job(self.inputs))
        except InputError:
            if not (whole and self.broken):  # else what is left is broken, as it was before
                raise
            print_skipped(self.broken)

    @contextmanager
    def indexed(
        self, replaced: set[str], may_lose: bool, may_lose_by_failure: bool, with_annotations: bool
    ) -> Iterator[None]:
        """Write the index of all shards when the block ends, and remove what was `replaced`.

        What fails or is interrupted leaves an index of what is there, unless earlier predictions would be lost. If
        the block ends well, these `may_lose`; if it ends with an `InputError`, such as one of failed jobs or of a full
        disk, they `may_lose_by_failure`.
        """
        from protas_gtcc.metrics.prediction_parts import write_index

        folder = self.shards.folder
        (folder.path / PARTS).mkdir(parents=True, exist_ok=True)  # whoever looks sees that it is begun
        try:
            with interruption_prints(SHARDS_KEPT):
                yield
        except BaseException as error:
            may_lose = may_lose_by_failure and isinstance(error, InputError)
            raise
        finally:
            files = self.shards.found(self.inputs)
            if files and (may_lose or replaced <= files.keys()):
                folder.keep_only({write_index(folder.path, files), *files.values()})
                folder.remove_videos(replaced - files.keys(), with_annotations)


def predict_shards(
    load: Callable[[], Predictor], inputs: Sequence[Input], broken: dict[str, str], shards: JobShards
) -> None:
    """As a job: predict what is not whole. A shard appears when the tables of its videos are there.

    What cannot be predicted is noted in `broken`, and printed. Raises `InputError` if that is all.
    """
    whole, folder = shards.whole(inputs), shards.folder
    sources = {one.name: shards.source_of(one) for one in inputs if one.name not in whole}  # as the videos are now
    left, predictor = [one for one in inputs if one.name in sources], load()

    def predicted() -> Iterator[tuple[str, Prediction]]:
        for video, prediction in predictor.predictions(left, broken, skip=True):
            if folder.draws or folder.lists:
                folder.write_video(video, prediction, predictor)
            else:
                folder.remove_files(video)
            yield video, prediction

    shards.write(predicted(), predictor.info, sources)
    print_skipped(broken)
