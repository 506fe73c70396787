// The list of test videos: the most informative first, or in another order, found by name.

// Ways to put the videos in order, by the first run that is shown.
const ORDERS = {
  informative: "most informative first",
  name: "by name",
  acc: "most frames right first",
  error: "least progress error first",
  length: "longest first",
};

// The videos from which most is learnt, with the reason: the best, the median and the worst, and the most surely wrong.
function informative(group, run) {
  if (group.videos.length <= 3) return new Map();
  const byRight = group.videos.map((_, number) => number).sort((a, b) => run.videos[b].acc - run.videos[a].acc),
    sure = (number) => run.videos[number].surely_wrong ?? -1,
    surest = byRight.reduce((best, number) => (sure(number) > sure(best) ? number : best), byRight[0]),
    found = new Map();
  const add = (number, why) => found.set(number, [...(found.get(number) ?? []), why]);
  add(byRight[0], "most frames right");
  add(byRight[Math.floor(byRight.length / 2)], "the median");
  add(byRight.at(-1), "fewest frames right");
  if (sure(surest) > 0) add(surest, `surely wrong in ${percent(100 * sure(surest))} % of frames`);
  return found;
}

function inOrder(group, order) {
  const numbers = group.videos.map((_, number) => number),
    run = shownRuns(group)[0] ?? group.runs[0],
    first = [...informative(group, run).keys()];
  const keys = {
    informative: (number) => (first.includes(number) ? first.indexOf(number) : first.length),
    name: () => 0,
    acc: (number) => -run.videos[number].acc,
    error: (number) => run.videos[number].error ?? 2,
    length: (number) => -group.videos[number].num_frames,
  };
  const byName = (a, b) => group.videos[a].name.localeCompare(group.videos[b].name);
  return numbers.sort((a, b) => keys[order](a) - keys[order](b) || (order === "informative" ? a - b : byName(a, b)));
}

// What chooses the videos that are shown, and their order; `parts` are their elements.
function videoTools(group, parts, list) {
  const order = make("select", {}, ...Object.entries(ORDERS).map(([value, name]) => new Option(name, value))),
    wanted = make("input", { type: "search", placeholder: "part of a name" }),
    count = make("span", { className: "found" });
  const arrange = () => {
    const run = shownRuns(group)[0] ?? group.runs[0],
      reasons = order.value === "informative" ? informative(group, run) : new Map(),
      kept = inOrder(group, order.value).filter((number) =>
        group.videos[number].name.toLowerCase().includes(wanted.value.toLowerCase()),
      );
    for (const [number, part] of parts.entries())
      part.querySelector(".reason").textContent = reasons.has(number) ? `${reasons.get(number).join(", ")} · ` : "";
    list.replaceChildren(...kept.map((number) => parts[number]));
    count.textContent = kept.length < parts.length ? `${kept.length} of ${counted(parts, "video")}` : "";
  };
  order.onchange = arrange;
  wanted.oninput = arrange;
  const every = (open) => () => {
    for (const details of parts) details.open = open;
  };
  group.tables.push(arrange);
  arrange();
  return make(
    "nav",
    {},
    make("label", {}, "Order ", order),
    make("label", {}, "Find ", wanted),
    make("button", { onclick: every(true) }, "open all"),
    make("button", { onclick: every(false) }, "close all"),
    count,
  );
}

function videoPart(group, number) {
  const video = group.videos[number],
    details = make("details", { className: "video", open: group.videos.length <= MANY_VIDEOS }),
    box = addPlot(
      group,
      () => videoHeight(group),
      () => {
        player?.redraw();
        return drawVideo(group, number);
      },
      () => player?.drawn(),
    ),
    player = video.file ? makePlayer(group, number, box) : null,
    figures = make("span", {});
  const remake = () => {
    figures.textContent = videoSummary(group, number);
  };
  group.tables.push(remake);
  remake();
  details.append(
    make("summary", {}, video.name + " ", make("span", { className: "reason" }), figures),
    ...(player ? [player.place, player.timeline] : [box]),
    ...group.runs.flatMap((run) => procedureOf(group, run, number)),
  );
  return details;
}

function videos(group) {
  const parts = group.videos.map((_, number) => videoPart(group, number)),
    list = make("div", {});
  return [
    section(
      "Test videos",
      "Bars: true and predicted segments. Below: true progress (grey) and each run's reported progress. Drag to zoom " +
        "in time, double-click to see all. If one run is shown, a band marks its interval of progress." +
        (DATA.has_videos ? " A click on a segment plays it, a click on the curves plays from there." : ""),
      ...withoutFile(group),
      ...procedureText(group),
      classList(group),
      videoTools(group, parts, list),
      list,
    ),
  ];
}

build();
