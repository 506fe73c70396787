"""A split of videos into train and test, for a layout that comes without lists of videos."""

from __future__ import annotations

from protas_gtcc.dataset.held_out import draw_held_out, people_are_known
from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.base import Layout, subject_of
from protas_gtcc.layouts.options import LayoutOptions

SPLIT = "1"


def draw_split(layout: Layout, options: LayoutOptions) -> None:
    """Give a layout without splits the split "1" with about the share `options.test_share` of its videos in test.

    Whole people are drawn if `options.subject_pattern` finds them, else single videos. Raises `InputError` if the share
    is not between 0 and 1, and if the layout has splits, features that were made for one split, or a single video.
    """
    share = options.test_share
    assert share is not None
    if not 0 < share < 1:
        raise InputError(f"--test-share is {share:g}; give a share between 0 and 1, such as 0.2")
    if layout.splits:
        raise InputError(f"{layout.path} has lists of the splits {listed(layout.splits)}; leave out --test-share")
    tied = [folder.path for folder in layout.feature_folders.values() if folder.split is not None]
    if tied:
        raise InputError(
            f"{tied[0]} was made for one split, whose lists of videos are missing, and a drawn split is another one; "
            "add the lists, or choose other features with --features"
        )
    people = {video: subject_of(video, options.subject_pattern) for video in layout.video_names}
    test = draw_held_out(people, share, options.seed)
    if not test:
        raise InputError(f"{layout.path} has {len(people)} video, too few for a training and a test part; add videos")
    train = [video for video in layout.video_names if video not in set(test)]
    layout.splits = {SPLIT: {"train": train, "test": [video for video in layout.video_names if video in set(test)]}}
    by_person = people_are_known(people)
    whose = "no person is in both" if by_person else "a person may be in both; name people with --subject-pattern"
    counts = f"{len(train)} training and {len(test)} test videos"
    layout.notices.append(f"split {SPLIT} was drawn with seed {options.seed}: {counts}, {whose}")
