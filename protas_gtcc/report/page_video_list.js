// The list of test videos: the most informative first, or in another order, found by name.

// Ways to put the videos in order, by the first run that is shown.
const ORDERS = {
  informative: "most informative first",
  name: "by name",
  acc: "most frames right first",
  error: "least progress error first",
  length: "longest first",
};

// The videos from which most is learnt, with the reason: the best, the median and the worst, and the one that is wrong
// with a high probability in most frames.
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
  if (sure(surest) > 0) add(surest, `wrong with a probability of at least .8 in ${percent(100 * sure(surest))} % of frames`);
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

// The parts of videos, made when they are first listed: of thousands, most are never seen.
function makeParts(group) {
  const made = new Map();
  return {
    made,
    isOpen: group.videos.length <= MANY_VIDEOS,
    of(number) {
      if (!made.has(number)) made.set(number, videoPart(group, number, this.isOpen));
      return made.get(number);
    },
    openAll(isOpen) {
      this.isOpen = isOpen;
      for (const part of made.values()) part.open = isOpen;
    },
  };
}

// What chooses the videos that are shown, and their order; `list` holds them, and more as its end comes into view.
function videoTools(group, parts, list) {
  const order = make("select", {}, ...Object.entries(ORDERS).map(([value, name]) => new Option(name, value))),
    wanted = make("input", { type: "search", placeholder: "part of a name" }),
    count = make("span", { className: "found", role: "status" }),
    more = make("button", { className: "more" }),
    names = group.videos.map((video) => video.name.toLowerCase());
  let kept = [],
    reasons = new Map();
  // What stands in its place stays: moving a part with a plot costs as much as drawing it, and stops its player.
  const listUpTo = (number) => {
    const listed = kept.slice(0, number);
    for (const [index, one] of listed.entries()) {
      const part = parts.of(one);
      part.querySelector(".reason").textContent = reasonOf(reasons.get(one));
      if (list.children[index] !== part) list.insertBefore(part, list.children[index]);
    }
    while (list.children[listed.length] !== more) list.children[listed.length].remove();
    const left = kept.length - listed.length;
    more.hidden = !left;
    more.textContent = `show ${Math.min(left, LISTED_AT_ONCE)} more of ${left}`;
  };
  const arrange = () => {
    const run = shownRuns(group)[0] ?? group.runs[0],
      text = wanted.value.toLowerCase();
    reasons = order.value === "informative" ? informative(group, run) : new Map();
    kept = inOrder(group, order.value).filter((number) => names[number].includes(text));
    // Those with a reason stand first: all others would move behind them.
    for (const part of list.querySelectorAll(":scope > .video")) if (part.querySelector(".reason").textContent) part.remove();
    listUpTo(LISTED_AT_ONCE);
    count.textContent = kept.length < names.length ? `${kept.length} of ${counted(names, "video")}` : "";
  };
  more.onclick = () => {
    const first = list.children.length - 1;
    listUpTo(first + LISTED_AT_ONCE);
    list.children[first].firstChild.focus();
  };
  // Whoever scrolls to the end sees more without a click.
  new IntersectionObserver(([entry]) => entry.isIntersecting && listUpTo(list.children.length - 1 + LISTED_AT_ONCE)).observe(more);
  order.onchange = arrange;
  wanted.oninput = arrange;
  list.append(more);
  // By name and by length, all runs have the same order.
  const remake = () => ["name", "length"].includes(order.value) || arrange();
  arrange();
  const place = make(
    "nav",
    { ariaLabel: "Test videos" },
    make("label", {}, "Order ", order),
    make("label", {}, "Find ", wanted),
    make("button", { onclick: () => parts.openAll(true) }, "open all"),
    make("button", { onclick: () => parts.openAll(false) }, "close all"),
    count,
  );
  group.parts.push({ place, remake });
  return place;
}

const LISTED_AT_ONCE = 100;
const reasonOf = (found) => (found ? `${found.join(", ")} · ` : "");

function videoPart(group, number, isOpen) {
  const video = group.videos[number],
    details = make("details", { className: "video", open: isOpen }),
    figures = make("span", {});
  const remake = () => {
    figures.replaceChildren(...videoSummary(group, number));
  };
  group.parts.push({ place: details, remake });
  remake();
  details.append(make("summary", {}, video.name + " ", make("span", { className: "reason" }), figures));
  // What is inside is made when it is first opened.
  const fill = () => {
    if (!details.open || details.children.length > 1) return;
    const box = addPlot(
        group,
        () => videoHeight(group),
        () => {
          played?.redraw();
          return drawVideo(group, number);
        },
        () => played?.drawn(),
      ),
      played = video.file ? makePlayer(group, number, box) : null;
    plots.get(box).timeline = { group, number, player: played?.player };
    details.append(
      remade(group, () => make("p", {}, ...shownRuns(group).flatMap((run) => longestWrong(group, run, number)))),
      ...(played ? [played.place, played.timeline] : [box]),
      ...group.runs.flatMap((run) => procedureOf(group, run, number)),
    );
  };
  details.ontoggle = fill;
  fill();
  return details;
}

// Where a run is wrong for longest in a video, and what it takes for what.
function longestWrong(group, run, number) {
  const truth = segmentsOf(group.videos[number].segments),
    longest = segmentsOf(run.videos[number].segments).reduce(
      (best, [start, end, taken]) => {
        for (const [from, to, label] of truth) {
          const part = [Math.max(start, from), Math.min(end, to), label, taken];
          if (label !== taken && part[1] - part[0] > best[1] - best[0]) best = part;
        }
        return best;
      },
      [0, 0],
    );
  if (longest[1] === 0) return [];
  const [start, end, label, taken] = longest,
    names = [label, taken].map((id) => group.class_names[id]);
  return [make("strong", {}, run.name), `: longest wrong stretch, ${fromTo(group, number, start, end)}: ${names[0]} predicted as ${names[1]}. `];
}

function videos(group) {
  const list = make("div", {}),
    tools = videoTools(group, makeParts(group), list);
  return [
    section(
      "Test videos",
      "Bars: true and predicted segments. Below: true progress (grey) and each run's reported progress. Drag to zoom " +
        "in time, double-click to see all. If one run is shown, true progress is a grey line, and the band is the run's interval. Figures beside the " +
        "names are of the runs in their order and colours; the red words are of the first run." +
        (DATA.has_videos ? " A click on a segment plays it, a click on the curves plays from there." : ""),
      ...withoutFile(group),
      ...procedureText(group),
      classList(group),
      tools,
      list,
    ),
  ];
}

// Draw a timeline that is not seen while there is nothing else to do, so that the first one that is opened comes at once:
// a browser takes as long again for what it runs for the first time.
function prepareTimelines() {
  const group = DATA.groups.find(({ videos }) => videos.length > MANY_VIDEOS);
  if (!group) return;
  const box = make("div", { className: "unseen", ariaHidden: true });
  document.body.append(box);
  Plotly.newPlot(box, ...drawVideo(group, 0), { staticPlot: true }).then(() => {
    Plotly.purge(box);
    box.remove();
  });
}

build();
window.addEventListener("load", () => (window.requestIdleCallback ?? setTimeout)(prepareTimelines));
