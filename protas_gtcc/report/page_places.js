// Where in which video a run is wrong for longest, and links that go there.

const WRONG_TEXT =
  "A wrong stretch is an unbroken part of a true segment without one right frame, whatever is predicted in it; it is named " +
  "by the class that is predicted in most of it.";

// Each unbroken part of a true segment in which no frame is right: { number, start, end, label }.
function wrongStretches(group, run, number) {
  const predicted = segmentsOf(run.videos[number].segments),
    found = [];
  let first = 0;
  for (const [start, end, label] of segmentsOf(group.videos[number].segments)) {
    let stretch = null;
    while (predicted[first]?.[1] <= start) first += 1;
    for (let at = first; predicted[at]?.[0] < end; at += 1) {
      const [from, to, taken] = predicted[at];
      if (taken === label) stretch = null;
      else if (stretch) stretch.end = Math.min(end, to);
      else found.push((stretch = { number, start: Math.max(start, from), end: Math.min(end, to), label }));
    }
  }
  return found;
}

// The first of the longest.
const longestOf = (stretches) =>
  stretches.reduce((best, one) => (best && best.end - best.start >= one.end - one.start ? best : one), null);

// Of each class id, the longest wrong stretch in all videos, with its seconds.
function worstPlaces(group, run) {
  if (run.worstPlaces) return run.worstPlaces;
  run.worstPlaces = new Map();
  for (const number of group.videos.keys())
    for (const stretch of wrongStretches(group, run, number)) {
      const seconds = (stretch.end - stretch.start) / group.fps;
      if (seconds > (run.worstPlaces.get(stretch.label)?.seconds ?? 0)) run.worstPlaces.set(stretch.label, { ...stretch, seconds });
    }
  return run.worstPlaces;
}

// What is predicted in a wrong stretch in words.
function predictedAs(group, run, { number, start, end, label }) {
  const frames = new Map();
  for (const [from, to, taken] of segmentsOf(run.videos[number].segments)) {
    const count = Math.min(end, to) - Math.max(start, from);
    if (count > 0) frames.set(taken, (frames.get(taken) ?? 0) + count);
  }
  const [most] = [...frames].reduce((best, one) => (one[1] > best[1] ? one : best));
  return `${group.class_names[label]} ${frames.size > 1 ? "mostly " : ""}predicted as ${group.class_names[most]}`;
}

const placeButton = (group, place, text, words) => make("button", { className: "link", title: words, onclick: () => goToPlace(group, place) }, text);

// A link to a wrong stretch; in a table the video has a line of its own.
function placeLink(group, run, place, isInTable = false) {
  if (!place) return [isInTable ? "–" : ""];
  const { name } = group.videos[place.number],
    time = fromTo(group, place.number, place.start, place.end),
    words = `${predictedAs(group, run, place)} in ${name}`;
  if (isInTable) return [placeButton(group, place, time, words), make("small", {}, short(name, 24))];
  return [placeButton(group, place, `${short(name, 40)}, ${time}`, words)];
}

// Links stand last: a line may break behind them, and would begin with what ends the sentence.
function longestWrong(group, run, label) {
  const place = worstPlaces(group, run).get(label);
  return place ? [" Longest wrong stretch: ", ...placeLink(group, run, place)] : [];
}

// Where a run is wrong for longest of all, in any video and class.
function worstPlace(group, run) {
  const place = longestOf([...worstPlaces(group, run).values()]);
  if (!place) return "";
  const words = `: longest wrong stretch of all classes, ${lasting(place.seconds)}, ${predictedAs(group, run, place)}: `;
  return make("p", {}, make("strong", {}, run.name), words, ...placeLink(group, run, place));
}

// Where a run is wrong for longest in a video, and what it takes for what.
function longestWrongOf(group, run, number) {
  const longest = longestOf(wrongStretches(group, run, number));
  if (!longest) return [];
  const words = predictedAs(group, run, longest),
    link = placeButton(group, longest, fromTo(group, number, longest.start, longest.end), words);
  return [make("div", {}, make("strong", {}, run.name), `: longest wrong stretch, ${words}: `, link)];
}

// Back leads from a place to the link that went there; before, the browser would leave the page.
const origins = [];
function rememberOrigin() {
  const jumps = history.state ?? 0;
  origins.length = jumps;
  origins.push(document.activeElement);
  history.pushState(jumps + 1, "");
}
addEventListener("popstate", ({ state }) => {
  const origin = origins[state ?? 0];
  if (!origin?.isConnected) return;
  origin.scrollIntoView({ block: "center" });
  origin.focus({ preventScroll: true });
});

// Open a video at a place, which is marked in its timeline; the keys and the player go on from there.
function goToPlace(group, place) {
  const { number, start, end } = place,
    part = group.listed(number);
  rememberOrigin();
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
