// The list of test videos: the most informative first, or in another order, found by name.

// Ways to put the videos in order, by figures of a run.
const ORDERS = {
  informative: "most informative first",
  skill: "skill, lowest first",
  acc: "frames right, fewest first",
  error: "progress error, largest first",
  length: "length, longest first",
  name: "name",
};
const OF_RUNS = ["informative", "skill", "acc", "error"];

// The videos from which most is learnt, with the reason: the best, the one in the middle and the worst, and the one that
// is wrong with a high probability in most frames.
function informative(group, run) {
  const count = group.videos.length;
  if (count <= 3) return new Map();
  const byRight = group.videos.map((_, number) => number).sort((a, b) => run.videos[b].acc - run.videos[a].acc),
    sure = (number) => run.videos[number].surely_wrong ?? -1,
    surest = byRight.reduce((best, number) => (sure(number) > sure(best) ? number : best), byRight[0]),
    found = new Map();
  const add = (number, why) => found.set(number, [...(found.get(number) ?? []), why]);
  add(byRight[0], "most frames right");
  add(byRight[Math.floor(count / 2)], count % 2 ? "the median" : `number ${count / 2 + 1} of ${count} from the most frames right`);
  add(byRight.at(-1), "fewest frames right");
  if (sure(surest) > 0) add(surest, `wrong with a probability of at least .8 in ${percent(100 * sure(surest))} % of frames`);
  return found;
}

// Numbers of the videos in order. `view` is { key, run, isReversed }.
function inOrder(group, { key, run, isReversed }) {
  const first = key === "informative" ? [...informative(group, run).keys()] : [],
    sign = isReversed ? -1 : 1,
    names = group.videos.map((video) => video.name);
  const figures = {
    informative: (number) => (first.includes(number) ? first.indexOf(number) : first.length),
    skill: (number) => run.videos[number].skill,
    acc: (number) => run.videos[number].acc,
    error: (number) => (known(run.videos[number].error) ? -run.videos[number].error : null),
    length: (number) => -group.videos[number].num_frames,
    name: () => 0,
  };
  const value = names.map((_, number) => figures[key](number));
  const others = (a, b) => (key === "informative" ? a - b : (key === "name" ? sign : 1) * compareNames(names[a], names[b]));
  return [...names.keys()].sort((a, b) => byFigure(value[a], value[b], sign) || others(a, b));
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
    reverse = make("button", { ariaPressed: "false" }, "reverse"),
    whose = make("select", { ariaLabel: "of the run" }),
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
  // The run that the order is of: the chosen one, or where that is hidden the first that is shown.
  const view = { key: "informative", run: group.runs[0], isReversed: false };
  const arrange = () => {
    const runs = shownRuns(group).length ? shownRuns(group) : group.runs,
      run = runs.includes(view.run) ? view.run : runs[0],
      text = wanted.value.toLowerCase();
    whose.replaceChildren(...runs.map((one) => new Option(`of ${one.name}`, group.runs.indexOf(one), false, one === run)));
    whose.hidden = group.runs.length < 2 || !OF_RUNS.includes(view.key);
    reasons = view.key === "informative" ? informative(group, run) : new Map();
    kept = inOrder(group, { ...view, run }).filter((number) => names[number].includes(text));
    // Those with a reason stand first: all others would move behind them.
    for (const part of list.querySelectorAll(":scope > .video")) if (part.querySelector(".reason").textContent) part.remove();
    listUpTo(LISTED_AT_ONCE);
    count.textContent = kept.length < names.length ? `${kept.length} of ${counted(names, "video")}` : "";
  };
  const change = (changes) => {
    Object.assign(view, changes);
    reverse.setAttribute("aria-pressed", view.isReversed);
    arrange();
  };
  more.onclick = () => {
    const first = list.children.length - 1;
    listUpTo(first + LISTED_AT_ONCE);
    list.children[first].firstChild.focus();
  };
  // Whoever scrolls to the end sees more without a click.
  new IntersectionObserver(([entry]) => entry.isIntersecting && listUpTo(list.children.length - 1 + LISTED_AT_ONCE)).observe(more);
  order.onchange = () => change({ key: order.value, isReversed: false });
  whose.onchange = () => change({ run: group.runs[whose.value] });
  reverse.onclick = () => change({ isReversed: !view.isReversed });
  wanted.oninput = arrange;
  list.append(more);
  // The list goes on to the video; where Find hides it, that would have to be undone by hand.
  group.listed = (number) => {
    if (!kept.includes(number)) {
      wanted.value = "";
      arrange();
    }
    const place = kept.indexOf(number) + 1;
    if (place >= list.children.length) listUpTo(place);
    return parts.of(number);
  };
  arrange();
  const place = make(
    "nav",
    { ariaLabel: "Test videos" },
    make("label", {}, "Order ", order),
    whose,
    reverse,
    make("label", {}, "Find ", wanted),
    make("button", { onclick: () => parts.openAll(true) }, "open all"),
    make("button", { onclick: () => parts.openAll(false) }, "close all"),
    count,
  );
  group.parts.push({ place: list, remake: () => OF_RUNS.includes(view.key) && arrange() });
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
      remade(group, () => make("div", {}, ...shownRuns(group).flatMap((run) => longestWrongOf(group, run, number)))),
      ...(played ? [played.place, played.timeline] : [box]),
      ...group.runs.flatMap((run) => procedureOf(group, run, number)),
    );
  };
  details.ontoggle = fill;
  details.fill = fill;
  fill();
  return details;
}

function videos(group) {
  const list = make("div", {}),
    tools = videoTools(group, makeParts(group), list);
  return [
    section(
      "Test videos",
      "Bars: true and predicted segments. Below: true progress (grey) and each run's reported progress. Drag to zoom " +
        "in time, double-click to see all. If one run is shown, true progress is a grey line, and the band is the run's interval. Figures beside the " +
        "names are of the runs in their order and colours; the red words are of the run that the order is of. " +
        WRONG_TEXT +
        (DATA.has_videos ? " A click on a segment plays it, a click on the curves plays from there." : ""),
      ...withoutFile(group),
      ...procedureText(group),
      tools,
      classList(group),
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
