// Plots by keyboard: the arrow keys choose a point and show what the pointer would show there, + and - zoom, 0 shows all.

const KEYS_TEXT = "Arrow keys read it, plus and minus zoom, 0 shows all";
const ZOOM = 2;
const spoken = make("div", { className: "spoken", role: "status" });
document.body.append(spoken);

function listenToKeys(plot) {
  const { box } = plot;
  if (box.tabIndex === 0) return;
  Object.assign(box, { tabIndex: 0, role: "application", ariaLabel: `${plotName(box)}. ${KEYS_TEXT}` });
  box.addEventListener("keydown", (event) => {
    if (event.target !== box || event.ctrlKey || event.altKey || event.metaKey || !box.data) return;
    if (act(plot, event.key, event.shiftKey)) event.preventDefault();
  });
  box.addEventListener("blur", () => hide(box));
}

// What the plot is about, from the words nearest to it.
function plotName(box) {
  const before = box.previousElementSibling,
    near = before?.tagName === "H3" ? before : box.closest("details")?.querySelector("summary") ?? box.closest("section")?.querySelector("h2");
  return near?.firstChild?.textContent.trim() ?? "Plot";
}

// Whether the key means something here.
function act(plot, key, isShift) {
  const { box } = plot;
  if (key === "Escape") hide(box);
  else if (key === "0") Plotly.relayout(box, { "xaxis.range": plot.whole });
  else if (key === "+" || key === "=" || key === "-") zoom(plot, key === "-" ? ZOOM : 1 / ZOOM);
  else if (plot.timeline) return moveInTime(plot, key, isShift);
  else return movePoint(plot, key);
  return true;
}

// About the chosen time of a timeline, else about the middle.
function zoom(plot, factor) {
  const range = plot.box._fullLayout.xaxis.range.map(Number),
    middle = plot.timeline && known(plot.at) ? plot.at : (range[0] + range[1]) / 2,
    half = ((range[1] - range[0]) * factor) / 2,
    [least, most] = plot.whole;
  if (!Number.isFinite(half)) return;
  const low = Math.max(Math.min(middle - half, most - 2 * half), least);
  Plotly.relayout(plot.box, { "xaxis.range": [low, Math.min(low + 2 * half, most)] });
}

// A timeline of a video: a hundredth of what is seen, with shift a frame; up and down to the next true segment.
function moveInTime(plot, key, isShift) {
  const { box, timeline } = plot,
    { group, number, player } = timeline,
    frames = group.videos[number].num_frames,
    unit = unitOfVideo(group, number).frames,
    [low, high] = box._fullLayout.xaxis.range,
    frame = known(plot.at) ? Math.round(plot.at * unit) : Math.max(0, Math.ceil(low * unit)),
    starts = segmentsOf(group.videos[number].segments).map(([start]) => start),
    step = isShift ? 1 : Math.max(1, Math.round(((high - low) * unit) / 100));
  const next = {
    ArrowLeft: known(plot.at) ? frame - step : frame,
    ArrowRight: known(plot.at) ? frame + step : frame,
    ArrowUp: starts.filter((start) => start < frame).at(-1) ?? 0,
    ArrowDown: starts.find((start) => start > frame) ?? frames - 1,
    Home: 0,
    End: frames - 1,
  }[key];
  if ((key === "Enter" || key === " ") && player) {
    const segment = segmentsOf(group.videos[number].segments).find(([, end]) => frame < end);
    if (player.element.paused) play(player, frame, segment?.[1] ?? null);
    else player.element.pause();
    return true;
  }
  if (next === undefined) return false;
  const chosen = Math.min(Math.max(next, 0), frames - 1);
  plot.at = chosen / unit;
  if (plot.at < low || plot.at > high) {
    const start = Math.min(Math.max(plot.at - (high - low) / 2, 0), Math.max(plot.whole[1] - (high - low), 0));
    Plotly.relayout(box, { "xaxis.range": [start, start + high - low] });
  }
  show(box, () => Plotly.Fx.hover(box, { xval: plot.at }, ["xy2"]));
  return true;
}

// Left and right along what is drawn as one, up and down to another one.
function movePoint(plot, key) {
  const { box } = plot,
    traces = box._fullData.map((one, index) => [one, index]).filter(([one]) => one.hoverinfo !== "skip" && one.x?.length && one.type !== "heatmap"),
    [turn, step] = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -1e9], End: [0, 1e9] }[key] ?? [0, 0];
  if (!traces.length || (!turn && !step)) return false;
  const before = plot.point ?? { trace: 0, point: -1 },
    trace = (before.trace + turn + traces.length) % traces.length,
    [{ x, y, xaxis, yaxis }, curveNumber] = traces[trace],
    isKnown = (index) => known(x[index]) && known(y[index]);
  let point = Math.min(Math.max(before.point + step, 0), x.length - 1);
  while (!isKnown(point) && step && point > 0 && point < x.length - 1) point += Math.sign(step);
  plot.point = { trace, point };
  if (isKnown(point)) show(box, () => Plotly.Fx.hover(box, [{ curveNumber, pointNumber: point }], xaxis + yaxis));
  return true;
}

// Have a hover box shown, and speak it. Plotly shows it a moment after it was asked for it, on a busy machine a long one,
// without an event, and removes it where it draws the plot again: it is looked at for some seconds, and asked for again.
const LOOKS = 25;
let soon = 0;
function show(box, hover, looks = LOOKS) {
  if (looks === LOOKS) hover();
  clearTimeout(soon);
  soon = setTimeout(() => {
    if (!speak(box)) hover();
    if (looks > 1) show(box, hover, looks - 1);
  }, 120);
}

function hide(box) {
  clearTimeout(soon);
  Plotly.Fx.unhover(box);
}

// Speak what the hover box has, for those who do not see it; false if there is none.
function speak(box) {
  const lines = [...box.querySelectorAll(".hoverlayer text")].flatMap((text) => {
    const parts = text.querySelectorAll(".line");
    return parts.length ? [...parts].map((line) => line.textContent) : [text.textContent];
  });
  const text = lines.filter(Boolean).join(", ");
  if (text && spoken.textContent !== text) spoken.textContent = text; // what is the same is not spoken again
  return text !== "";
}
