// Plots, which are drawn when they come into view: one at a time, the nearest to the middle of the window first, so that
// the page answers in between.

// draw() returns traces and layout for the runs that are shown; height() is known before the plot is drawn; drawn() is
// called after each drawing, also where it was zoomed.
const plots = new Map();
const waiting = new Set();
const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const plot = plots.get(entry.target);
      plot.inView = entry.isIntersecting;
      if (plot.inView) waiting.add(plot);
      else waiting.delete(plot);
    }
    drawNearest();
  },
  { rootMargin: "400px" },
);

function addPlot(group, height, draw, drawn = () => {}) {
  const box = make("div", { className: "plot" }),
    plot = { box, group, height, draw, drawn, inView: false, stamp: -1 };
  box.style.height = height() + "px";
  plots.set(box, plot);
  watcher.observe(box);
  return box;
}

// Once the next frame is painted.
const afterFrame = (next) => requestAnimationFrame(() => setTimeout(next));

let isNextPlanned = false;
function drawNearest() {
  const middle = ({ box }) => {
    const { top, bottom } = box.getBoundingClientRect();
    return Math.abs((top + bottom) / 2 - innerHeight / 2);
  };
  for (const plot of waiting) if (plot.stamp === plot.group.stamp || !plot.box.isConnected) waiting.delete(plot);
  if (!waiting.size || isNextPlanned) return;
  const nearest = [...waiting].map((plot) => [middle(plot), plot]).sort(([one], [other]) => one - other)[0][1];
  waiting.delete(nearest);
  refresh(nearest);
  isNextPlanned = true;
  afterFrame(() => {
    isNextPlanned = false;
    drawNearest();
  });
}

function refresh(plot) {
  if (plot.stamp === plot.group.stamp) return;
  plot.stamp = plot.group.stamp;
  plot.box.style.height = plot.height() + "px";
  const drawn = plot.draw();
  if (!drawn) return; // it is drawn already, without plotly
  const [traces, where] = drawn,
    isNew = !plot.box.data;
  if (!traces.length) {
    Plotly.purge(plot.box);
    plot.box.replaceChildren(nothing());
    return;
  }
  if (isNew) plot.box.replaceChildren(); // what stands there without a run
  const finish = () => {
    numberBars(plot.box);
    plot.drawn();
  };
  Plotly.react(plot.box, traces, where, CONFIG).then(finish);
  // Plotly keeps the width of the first drawing: that of the window on paper, or that of paper in the window.
  if (!isNew && Math.abs(plot.box._fullLayout.width - plot.box.clientWidth) > 1) Plotly.relayout(plot.box, { autosize: true });
  if (isNew) plot.box.on("plotly_afterplot", finish);
  if (isNew) keepHoverInside(plot.box);
  plot.whole = where.xaxis.range ?? plot.box._fullLayout.xaxis.range.slice();
  plot.point = null; // of other runs; the chosen time of a timeline stays
  listenToKeys(plot);
}

// Plotly puts the hover box of all curves beside the pointer, on a narrow page beyond the left edge.
function keepHoverInside(box) {
  const layer = box.querySelector(".hoverlayer");
  const move = () => {
    const legend = layer.querySelector(".legend"),
      { x, y } = legend?.getAttribute("transform")?.match(/\((?<x>[^,]+),(?<y>[^)]+)\)/)?.groups ?? {};
    if (x < 0) legend.setAttribute("transform", `translate(0,${y})`);
  };
  new MutationObserver(move).observe(layer, { childList: true, subtree: true, attributeFilter: ["transform"] });
}

// Write the numbers of bars where what is seen of them has the room. Plotly would measure each, a third of the time of a
// timeline; digits are all of one width.
const DIGIT = 6;
function numberBars(box) {
  const below = box.querySelector(".cartesianlayer"),
    layer = document.createElementNS(below.namespaceURI, "g");
  layer.setAttribute("class", "numbers");
  for (const { meta, base, x, y, yaxis } of box._fullData.filter((trace) => trace.meta?.numbers)) {
    const [across, down] = [box._fullLayout.xaxis, box._fullLayout[yaxis.replace("y", "yaxis")]];
    for (const [index, [number, colour]] of meta.numbers.entries()) {
      const [left, right] = [base[index], base[index] + x[index]].map((at) => Math.min(Math.max(across.l2p(at), 0), across._length));
      if (!number || right - left < DIGIT * number.length + 2) continue;
      const text = document.createElementNS(layer.namespaceURI, "text");
      text.textContent = number;
      text.setAttribute("x", across._offset + (left + right) / 2);
      text.setAttribute("y", down._offset + down.l2p(y[index]));
      text.setAttribute("fill", colour);
      layer.append(text);
    }
  }
  box.querySelector(".numbers")?.remove();
  below.after(layer);
}

// Update everything that depends on the runs that are shown: what is seen at once, plots when they are in view, and the
// rest in the frame after.
function changed(group) {
  group.stamp += 1;
  const seen = group.parts.filter(({ place }) => !place || isSeen(place));
  group.unseen = group.parts.filter((part) => !seen.includes(part));
  keepingMiddle(() => {
    for (const { remake } of seen) remake();
    // First all that is read, then all that is written: else each reading would lay the page out again.
    const own = [...plots.values()].filter((plot) => plot.group === group),
      heights = own.map((plot) => plot.height() + "px");
    for (const [index, plot] of own.entries()) {
      if (plot.box.style.height !== heights[index]) plot.box.style.height = heights[index];
      if (plot.inView) waiting.add(plot);
    }
  });
  drawNearest();
  afterFrame(() => afterFrame(() => remakeUnseen(group)));
}

function remakeUnseen(group) {
  const unseen = group.unseen;
  group.unseen = [];
  keepingMiddle(() => unseen.forEach(({ remake }) => remake()));
}

function isSeen(place) {
  if (!place.checkVisibility()) return false; // else what is in closed videos would be laid out
  const { top, bottom } = place.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}

// Keep the middle of the window in place, whatever grows or shrinks above it.
function keepingMiddle(change) {
  const held = document.elementFromPoint(innerWidth / 2, innerHeight / 2)?.closest("summary, .plot, section"),
    before = held?.getBoundingClientRect().top;
  change();
  if (held?.isConnected) scrollBy(0, held.getBoundingClientRect().top - before);
}

// Draw a plot again whose content is another one.
function redraw(box) {
  const plot = plots.get(box);
  plot.stamp = -1;
  box.style.height = plot.height() + "px";
  if (plot.inView) waiting.add(plot);
  drawNearest();
}
