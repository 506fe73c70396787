"""Margins, breakdowns, curves and online figures: worked by hand, and against plain loops over frames."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.metrics.breakdowns import PARTS, breakdown_figures, breakdown_statistics
from protas_gtcc.metrics.curves import curve_figures, curve_statistics
from protas_gtcc.metrics.details import best_lookups
from protas_gtcc.metrics.intervals import leaves
from protas_gtcc.metrics.lookups import fit_lookups
from protas_gtcc.metrics.online import (
    FINISHED,
    HOLD_FRAMES,
    WITHIN,
    finished_figures,
    finished_statistics,
    online_figures,
    online_statistics,
)
from protas_gtcc.metrics.pooled_runs import PooledRows, pool
from protas_gtcc.metrics.pooling import collect_rows, figures, intervals, weighted_figures
from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.metrics.video_rows import VideoRows
from protas_gtcc.predictions import Prediction, reported_progress
from tests.brute_force import Segment, segments_from_labels

NUM_CLASSES, BACKGROUND, NAMES = 4, [0], ["rest", "pour", "stir", "cut"]


def scored(labels: list[int], estimate: list[int], *reports: list[float], fps: float | None = 2.0) -> ScoredVideo:
    return ScoredVideo(np.array(labels), np.array(estimate), np.array(reports, dtype=float), BACKGROUND, fps)


def plain(tree: Any) -> Any:
    """Figures of one sample as numbers."""
    if isinstance(tree, dict):
        return {name: plain(one) for name, one in tree.items()}
    return None if tree is None else float(tree[0])


def actions_of(labels: np.ndarray) -> list[Segment]:
    return [segment for segment in segments_from_labels(labels) if segment.label not in BACKGROUND]


def random_video(labels: list[int], seed: int, fps: float | None) -> ScoredVideo:
    """Predicted classes that often are the true ones; progress with ties, falls, and "finished"."""
    random, truth = np.random.default_rng(seed), np.array(labels)
    estimate = np.where(random.random(len(truth)) < 0.6, np.roll(truth, 1), random.integers(0, 4, len(truth)))
    return ScoredVideo(truth, estimate, random.integers(0, 6, (3, len(truth))) / 5, BACKGROUND, fps)


some_videos = given(
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=60), min_size=1, max_size=4),
    st.integers(0, 99),
    st.sampled_from([None, 2.0, 5.0]),
)


# Breakdowns


def test_breakdowns_of_a_case_worked_by_hand() -> None:
    # "pour" 2 frames (1 s), rest, "pour" again 4 frames (2 s); targets 1/2, 1 and 1/4, 1/2, 3/4, 1.
    video = scored([1, 1, 0, 1, 1, 1, 1], [1] * 7, [0.5, 0.5, 0.9, 0.0, 0.5, 1.0, 1.0])
    found = plain(breakdown_figures({"model": breakdown_statistics(video)[0][None]}, has_seconds=True))
    assert found["length_frames"]["1-2"]["segments"] == 1
    assert found["length_frames"]["1-2"]["model"] == {"error": 0.25, "bias": -0.25}
    assert found["length_frames"]["3-5"]["frames"] == 4
    assert found["length_frames"]["3-5"]["model"] == {"error": 0.125, "bias": 0.0}
    assert np.isnan(found["length_frames"][">50"]["model"]["error"])
    assert found["length_seconds"]["1-2"] == found["length_frames"]["1-2"]
    assert found["length_seconds"]["2-5"] == found["length_frames"]["3-5"]
    assert found["occurrence"]["first"] == found["length_frames"]["1-2"]
    assert found["occurrence"]["repeated"] == found["length_frames"]["3-5"]
    half = found["tenth"]["0.4-0.5"]  # 1/2 is the end of its tenth
    assert (half["frames"], half["segments"], half["true_progress"]) == (2, 2, 0.5)
    assert found["tenth"]["0.9-1.0"]["model"]["bias"] == -0.25


def test_tenths_are_exact_where_fractions_round() -> None:
    video = scored([1] * 10, [1] * 10, [0.0] * 10)
    found = breakdown_figures({"model": breakdown_statistics(video)[0][None]}, has_seconds=True)
    assert [float(part["frames"][0]) for part in found["tenth"].values()] == [1.0] * 10


def slow_breakdown(videos: list[ScoredVideo], predictor: int) -> dict[tuple[str, str], tuple[float, float, int, int]]:
    """(mean error, mean bias, frames, segments) of every part that has a frame."""
    kept: dict[tuple[str, str], list[tuple[float, tuple[int, int]]]] = defaultdict(list)
    for number, video in enumerate(videos):
        seen: set[int] = set()
        for segment in actions_of(video.labels):
            for t in range(segment.start, segment.end):
                elapsed, length = t - segment.start + 1, len(segment)
                tenth = next(k for k in range(10) if elapsed * 10 <= (k + 1) * length)
                parts = {
                    "length_frames": sum(length >= edge for edge in (3, 6, 11, 21, 51)),
                    "tenth": tenth,
                    "occurrence": int(segment.label in seen),
                    "predicted": 0
                    if video.estimate[t] == segment.label
                    else 2
                    if video.estimate[t] in BACKGROUND
                    else 1,
                }
                if video.fps:
                    parts["length_seconds"] = sum(length / video.fps >= edge for edge in (1, 2, 5, 10, 30))
                difference = video.reports[predictor, t] - elapsed / length
                for name, index in parts.items():
                    kept[name, PARTS[name][index]].append((difference, (number, segment.start)))
            seen.add(segment.label)
    return {
        part: (
            float(np.mean([abs(difference) for difference, _ in found])),
            float(np.mean([difference for difference, _ in found])),
            len(found),
            len({segment for _, segment in found}),
        )
        for part, found in kept.items()
    }


@some_videos
@settings(max_examples=80, deadline=None)
def test_breakdowns_equal_their_plain_loop(lists: list[list[int]], seed: int, fps: float | None) -> None:
    videos = [random_video(labels, seed + index, fps) for index, labels in enumerate(lists)]
    totals = np.sum([breakdown_statistics(video) for video in videos], axis=0)
    found = plain(breakdown_figures({"model": totals[1][None]}, bool(fps)))
    expected = slow_breakdown(videos, 1)
    for name in PARTS:
        if name == "length_seconds" and not fps:
            assert found[name] is None
            continue
        for part, values in found[name].items():
            error, bias, frames, segments = expected.get((name, part), (np.nan, np.nan, 0, 0))
            assert (values["frames"], values["segments"]) == (frames, segments)
            np.testing.assert_allclose(list(values["model"].values()), [error, bias], atol=1e-12)
        weighted = [one["share"] * one["model"]["error"] for one in found[name].values() if one["frames"]]
        of_parts = [expected[key] for key in expected if key[0] == name]
        if of_parts:
            whole = sum(error * count for error, _, count, _ in of_parts) / sum(count for *_, count, _ in of_parts)
            assert sum(weighted) == pytest.approx(whole)


# Curves


def curves_of(video: ScoredVideo) -> dict[str, float]:
    return plain(curve_figures(curve_statistics(video)[0][None], at_changes=True))


def test_a_perfect_curve_rises_with_time_and_never_falls() -> None:
    found = curves_of(scored([1, 1, 1, 1, 2, 2], [1, 1, 1, 1, 2, 2], [0.25, 0.5, 0.75, 1.0, 0.5, 1.0]))
    assert found == {
        "rank_correlation": 1.0,
        "fall_share": 0.0,
        "fall_depth": 0.0,
        "first_error": 0.0,
        "last_error": 0.0,
        "change_start": 0.375,
        "change_end": 1.0,
    }


def test_curves_of_a_case_worked_by_hand() -> None:
    # "pour" falls twice; "stir" is one frame, which has no rank; "cut" never moves and counts 0.
    labels, reported = [1, 1, 1, 2, 0, 3, 3], [0.9, 0.5, 0.1, 0.7, 0.0, 0.4, 0.4]
    found = curves_of(scored(labels, [1, 1, 1, 1, 0, 3, 3], reported))
    assert found["rank_correlation"] == pytest.approx(-0.5)
    assert found["fall_share"] == pytest.approx(2 / 3)
    assert found["fall_depth"] == pytest.approx(0.4)
    assert found["first_error"] == pytest.approx(((0.9 - 1 / 3) + 0.3 + 0.1) / 3)
    assert found["last_error"] == pytest.approx((0.9 + 0.3 + 0.6) / 3)
    assert found["change_start"] == pytest.approx((0.9 + 0.4) / 2)
    assert found["change_end"] == pytest.approx(0.7)  # "cut" ends with the video


def slow_curves(videos: list[ScoredVideo], predictor: int) -> dict[str, float]:
    from scipy.stats import rankdata

    kept: dict[str, list[float]] = defaultdict(list)
    for video in videos:
        progress = video.reports[predictor]
        for segment in actions_of(video.labels):
            own = progress[segment.start : segment.end]
            kept["first_error"].append(abs(own[0] - 1 / len(own)))
            kept["last_error"].append(abs(own[-1] - 1))
            if len(own) > 1:
                moves = len(set(own)) > 1
                kept["rank_correlation"].append(np.corrcoef(rankdata(own), np.arange(len(own)))[0, 1] if moves else 0.0)
                kept["fall_share"] += [float(after < before) for before, after in pairwise(own)]
                kept["fall_depth"].append(sum(max(before - after, 0) for before, after in pairwise(own)))
        for segment in actions_of(video.estimate):
            kept["change_start"].append(progress[segment.start])
            if segment.end < len(video.labels):
                kept["change_end"].append(progress[segment.end - 1])
    return {name: float(np.mean(values)) for name, values in kept.items()}


@some_videos
@settings(max_examples=80, deadline=None)
def test_curves_equal_their_plain_loop(lists: list[list[int]], seed: int, fps: float | None) -> None:
    videos = [random_video(labels, seed + index, fps) for index, labels in enumerate(lists)]
    totals = np.sum([curve_statistics(video) for video in videos], axis=0)
    expected = slow_curves(videos, 2)
    for name, value in plain(curve_figures(totals[2][None], at_changes=True)).items():
        np.testing.assert_allclose(value, expected.get(name, np.nan), atol=1e-9, err_msg=name)


# Online


def online_of(video: ScoredVideo) -> dict[str, Any]:
    return plain(online_figures(online_statistics(video)[None], video.fps))


def finished_of(video: ScoredVideo) -> dict[str, Any]:
    return plain(finished_figures(finished_statistics(video)[0][None], video.fps))


def test_delays_of_a_case_worked_by_hand() -> None:
    # At 2 frames a second labels must hold 2 frames. "pour" is right at 1 for a moment, at 3 for good; "stir" never is.
    labels, estimate = [1, 1, 1, 1, 1, 1, 0, 0, 2, 2], [0, 1, 0, 1, 1, 0, 3, 0, 0, 1]
    found = online_of(scored(labels, estimate, [0.0] * 10))
    assert (found["first_delay_seconds"], found["stable_delay_seconds"]) == (0.5, 1.5)
    assert (found["never_found"], found["never_stable"]) == (0.5, 0.5)
    assert found["found_within"] == {limit: 0.5 if float(limit) >= 0.5 else 0.0 for limit in WITHIN["seconds"]}
    assert found["stable_within"] == {limit: 0.5 if float(limit) >= 1.5 else 0.0 for limit in WITHIN["seconds"]}
    # Predicted: pour, pour, cut, pour; the last two overlap no true segment of their class, in 5 seconds.
    assert found["false_start_share"] == 0.5
    assert found["false_starts_per_hour"] == pytest.approx(2 * 3600 / 5)


def test_without_frames_a_second_delays_count_frames_and_nothing_is_an_hour() -> None:
    found = online_of(scored([1, 1, 1], [0, 1, 1], [0.0] * 3, fps=None))
    assert found["first_delay_frames"] == 1
    assert found["false_starts_per_hour"] is None
    assert finished_of(scored([1, 1], [1, 1], [0.0, 1.0], fps=None))["lead_frames"] == 0


def test_finished_is_signed_and_the_first_time_counts() -> None:
    labels = [1, 1, 1, 1, 0, 2, 2, 0, 0, 3, 3]
    estimate = [1, 1, 1, 1, 0, 2, 2, 2, 2, 3, 3]
    reported = [0.1, 0.96, 0.2, 1.0, 0.0, 0.5, 0.5, 0.6, 0.95, 0.5, 0.9]
    found = finished_of(scored(labels, estimate, reported))
    # "pour" two frames (1 s) early, "stir" two frames late, "cut" never.
    assert (found["lead_seconds"], found["lead_size_seconds"]) == (0.0, 1.0)
    assert found["never"] == pytest.approx(1 / 3)
    assert found["false_per_hour"] == 0


def test_finished_before_the_action_began_is_not_of_it_and_elsewhere_is_false() -> None:
    labels = [0, 0, 1, 1, 0, 0, 0]
    estimate = [1, 1, 1, 1, 0, 2, 2]
    reported = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    found = finished_of(scored(labels, estimate, reported))
    assert found["never"] == 1
    assert np.isnan(found["lead_seconds"])
    assert found["false_per_hour"] == pytest.approx(3600 / 3.5)


def slow_online(videos: list[ScoredVideo], predictor: int) -> dict[str, Any]:
    first, stable, leads, num_segments, num_estimated, lone, false = [], [], [], 0, 0, 0, 0
    for video in videos:
        right, progress = video.labels == video.estimate, video.reports[predictor]
        hold = round(video.fps) if video.fps else HOLD_FRAMES
        estimated = actions_of(video.estimate)
        finished: dict[int, int] = {}
        for one in estimated:
            frames, of = range(one.start, one.end), None
            for t in frames:
                of = next((s.start for s in actions_of(video.labels) if right[t] and s.start <= t < s.end), of)
                if of is not None and progress[t] >= FINISHED:
                    finished.setdefault(of, t)
            is_lone = not right[one.start : one.end].any()
            lone += is_lone
            false += is_lone and any(progress[t] >= FINISHED for t in frames)
        num_estimated += len(estimated)
        for segment in actions_of(video.labels):
            num_segments += 1
            frames = range(segment.start, segment.end)
            first += [t - segment.start for t in frames if right[t]][:1]
            stable += [t - segment.start for t in frames if right[t : min(t + hold, segment.end)].all()][:1]
            leads += [segment.end - 1 - finished[segment.start]] if segment.start in finished else []
    return {
        "first": first,
        "stable": stable,
        "leads": leads,
        "counts": (num_segments, num_estimated, lone, false),
    }


@some_videos
@settings(max_examples=120, deadline=None)
def test_online_figures_equal_their_plain_loop(lists: list[list[int]], seed: int, fps: float | None) -> None:
    videos = [random_video(labels, seed + index, fps) for index, labels in enumerate(lists)]
    slow, unit = slow_online(videos, 1), "seconds" if fps else "frames"
    segments, estimated, lone, false = slow["counts"]
    found = plain(online_figures(np.sum([online_statistics(video) for video in videos], axis=0)[None], fps))
    finished = plain(finished_figures(np.sum([finished_statistics(video)[1] for video in videos], axis=0)[None], fps))
    hours = sum(len(video.labels) for video in videos) / (fps or 1) / 3600

    def mean(values: list[int]) -> float:
        return float(np.mean(values)) / (fps or 1) if values else np.nan

    def share(count: int, total: int) -> float:
        return count / total if total else np.nan

    expected = {
        f"first_delay_{unit}": mean(slow["first"]),
        f"stable_delay_{unit}": mean(slow["stable"]),
        "never_found": share(segments - len(slow["first"]), segments),
        "never_stable": share(segments - len(slow["stable"]), segments),
        "false_start_share": share(lone, estimated),
        f"lead_{unit}": mean(slow["leads"]),
        f"lead_size_{unit}": mean([abs(lead) for lead in slow["leads"]]),
        "never": share(segments - len(slow["leads"]), segments),
        "false_starts_per_hour": lone / hours if fps else None,
        "false_per_hour": false / hours if fps else None,
    }
    for name, value in expected.items():
        one = (found | finished)[name]
        assert one is None if value is None else one == pytest.approx(value, nan_ok=True), name
    for name in ("first", "stable"):
        within = found[f"{'found' if name == 'first' else name}_within"]
        for limit, value in within.items():
            count = sum(delay / (fps or 1) <= float(limit) for delay in slow[name])
            assert value == pytest.approx(share(count, segments), nan_ok=True)


# Margins, and all of it pooled


def prediction(video: ScoredVideo) -> Prediction:
    random = np.random.default_rng(len(video.labels))
    progress = random.random((NUM_CLASSES, len(video.labels)), dtype=np.float32)
    return Prediction(video.estimate, None, progress, reported_progress(progress, video.estimate, BACKGROUND))


def rows_of(seeds: range) -> VideoRows:
    random = np.random.default_rng(5)
    truths = [np.repeat(random.integers(0, 4, 9), random.integers(1, 30, 9)) for _ in range(8)]
    lookups = fit_lookups(truths, NUM_CLASSES, BACKGROUND)
    videos = [(f"v{seed}", random_video(truths[seed].tolist(), seed, 2.0)) for seed in seeds]
    return collect_rows(
        ((name, video.labels, prediction(video)) for name, video in videos), lookups, NAMES, BACKGROUND, 2.0
    )


def joined(*parts: VideoRows) -> VideoRows:
    return pool([PooledRows(part, []) for part in parts]).rows


def test_the_margin_is_the_best_look_ups_error_less_the_models() -> None:
    rows = rows_of(range(8))
    found, best = figures(rows), best_lookups(rows)
    for which, segments in (("predicted", "predicted_segments"), ("oracle", "oracle_segments")):
        for average, name in best[segments].items():
            errors = {one: found["baselines"][one][segments][average] for one in found["baselines"]}
            assert errors[name] == min(errors.values())
            margin = found["margin"][which][average]
            assert margin["error"] == pytest.approx(errors[name] - found["progress"][which][average])
            assert margin["share"] == pytest.approx(margin["error"] / errors[name])


def test_model_and_look_up_are_resampled_together() -> None:
    rows = rows_of(range(8))
    weights = np.random.default_rng(0).multinomial(8, np.full(8, 1 / 8), size=50).astype(float)
    found, best = weighted_figures(rows, weights), best_lookups(rows)["predicted_segments"]["macro"]
    difference = found["baselines"][best]["predicted_segments"]["macro"] - found["progress"]["predicted"]["macro"]
    np.testing.assert_allclose(found["margin"]["predicted"]["macro"]["error"], difference)
    low, high = intervals(rows)["margin"]["predicted"]["macro"]["error"]
    assert low < figures(rows)["margin"]["predicted"]["macro"]["error"] < high


def test_figures_of_pooled_rows_are_those_of_the_videos_together() -> None:
    together, pooled = rows_of(range(8)), joined(rows_of(range(3)), rows_of(range(3, 8)))
    assert figures(pooled) == figures(together)
    assert intervals(pooled) == intervals(together)


def test_a_weight_of_two_is_a_video_twice() -> None:
    weighted = plain(weighted_figures(rows_of(range(3)), np.array([[2.0, 1.0, 0.0]])))
    twice = dict(leaves(figures(joined(rows_of(range(2)), rows_of(range(1))))))
    for path, value in leaves({name: weighted[name] for name in ("breakdowns", "curves", "online")}):
        # Which look-up is best may differ: it is decided on the videos that are there.
        if "best_lookup" not in "".join(path):
            assert twice[path] == (None if value is None or np.isnan(value) else pytest.approx(value)), path


@pytest.mark.parametrize(("labels", "estimate"), [([0], [0]), ([0, 0, 0], [1, 0, 2]), ([1], [1]), ([1, 1], [0, 0])])
def test_background_alone_and_single_frames_are_scored_in_silence(labels: list[int], estimate: list[int]) -> None:
    videos = [("a", np.array(labels), prediction(scored(labels, estimate, [0.0] * len(labels))))]
    lookups = fit_lookups([np.array([1, 2])], NUM_CLASSES, BACKGROUND)
    found = figures(collect_rows(videos, lookups, NAMES, BACKGROUND, 2.0))
    action = labels[0] == 1
    assert (found["breakdowns"]["occurrence"]["first"]["frames"] > 0) == action
    assert (found["curves"]["predicted"]["first_error"] is not None) == action
    assert (found["online"]["never_found"] is not None) == action
    assert (found["margin"]["predicted"]["frame"] is not None) == action
    assert found["online"]["false_starts_per_hour"] is not None
