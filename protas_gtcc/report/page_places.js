// Where in which video a run is wrong for longest, and links that go there.

// Each stretch in which a run predicts one class in place of another: [start, end, true class, predicted class].
function wrongStretches(group, run, number) {
  const truth = segmentsOf(group.videos[number].segments),
    found = [];
  let first = 0;
  for (const [start, end, taken] of segmentsOf(run.videos[number].segments)) {
    while (truth[first]?.[1] <= start) first += 1;
    for (let at = first; truth[at]?.[0] < end; at += 1) {
      const [from, to, label] = truth[at];
      if (label !== taken) found.push([Math.max(start, from), Math.min(end, to), label, taken]);
    }
  }
  return found;
}

// Of each class id, the longest such stretch in all videos: { number, start, end, label, taken, seconds }.
function worstPlaces(group, run) {
  if (run.worstPlaces) return run.worstPlaces;
  run.worstPlaces = new Map();
  for (const number of group.videos.keys())
    for (const [start, end, label, taken] of wrongStretches(group, run, number)) {
      const seconds = (end - start) / group.fps;
      if (seconds > (run.worstPlaces.get(label)?.seconds ?? 0)) run.worstPlaces.set(label, { number, start, end, label, taken, seconds });
    }
  return run.worstPlaces;
}

const placeButton = (group, place, text, words) => make("button", { className: "link", title: words, onclick: () => goToPlace(group, place) }, text);

// A link to where a class is wrong for longest; in a table the video has a line of its own.
function placeLink(group, run, label, isInTable = false) {
  const place = worstPlaces(group, run).get(label);
  if (!place) return [isInTable ? "–" : ""];
  const { number, start, end, taken } = place,
    { name } = group.videos[number],
    time = fromTo(group, number, start, end),
    words = `predicted as ${group.class_names[taken]} in ${name}`;
  if (isInTable) return [placeButton(group, place, time, words), make("small", {}, short(name, 24))];
  return [placeButton(group, place, `${short(name, 40)}, ${time}`, words)];
}

// The same as a sentence.
function longestWrong(group, run, label) {
  const link = placeLink(group, run, label);
  return link[0] ? [" Longest wrong stretch: ", ...link, "."] : [];
}

// Where a run is wrong for longest in a video, and what it takes for what.
function longestWrongOf(group, run, number) {
  const length = ([start, end]) => end - start,
    longest = wrongStretches(group, run, number).reduce((best, one) => (best && length(best) >= length(one) ? best : one), null);
  if (!longest) return [];
  const [start, end, label, taken] = longest,
    [name, other] = [label, taken].map((id) => group.class_names[id]),
    link = placeButton(group, { number, start, end }, fromTo(group, number, start, end), `${name} predicted as ${other}`);
  return [make("strong", {}, run.name), ": longest wrong stretch, ", link, `: ${name} predicted as ${other}. `];
}

// Open a video at a place, which is marked in its timeline; the keys and the player go on from there.
function goToPlace(group, place) {
  const { number, start, end } = place,
    part = group.listed(number);
  part.open = true;
  part.fill();
  const own = [...plots.values()].filter(({ timeline }) => timeline?.group === group),
    before = own.find(({ timeline }) => timeline.number === group.marked?.number),
    plot = own.find(({ timeline }) => timeline.number === number),
    { player } = plot.timeline;
  group.marked = place;
  for (const one of new Set([before ?? plot, plot])) redraw(one.box);
  plot.at = start / unitOfVideo(group, number).frames;
  const comeIntoView = () => {
    part.scrollIntoView();
    plot.box.scrollIntoView({ block: "nearest" });
  };
  comeIntoView();
  afterFrame(comeIntoView); // once the values beside the player have their height, and the picture has its own
  player?.element.addEventListener("loadedmetadata", () => afterFrame(comeIntoView), { once: true });
  if (player) goTo(player, start / group.fps + INSIDE);
  part.firstChild.focus({ preventScroll: true });
  spoken.textContent = `${group.videos[number].name}, ${fromTo(group, number, start, end)} is marked`;
}

// The mark in the timeline of a video, over all of its height.
function markOf(group, number, unit) {
  if (group.marked?.number !== number) return [];
  const [x0, x1] = [group.marked.start, group.marked.end].map((frame) => frame / unit.frames),
    line = { color: themed("mark"), width: 2 };
  return [{ type: "rect", yref: "paper", y0: 0, y1: 1, x0, x1, line, fillcolor: `${themed("mark")}22`, layer: "above" }];
}
