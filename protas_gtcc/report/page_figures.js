// Plots of scores, reliability, classes, segment lengths and confusion. Every run keeps its colour and symbol.

const offset = (index, count) => (index - (count - 1) / 2) * Math.min(0.16, 0.8 / count);
const bands = (count) => Array.from({ length: Math.ceil(count / 2) }, (_, index) => ({
  type: "rect", xref: "paper", x0: 0, x1: 1, yref: "y", y0: 2 * index - 0.5, y1: 2 * index + 0.5, fillcolor: "#f5f5f5", line: { width: 0 }, layer: "below" }));
const rowAxis = (names) => axis("", { tickvals: names.map((_, index) => index), ticktext: names.map((name) => plain(short(name))), range: [names.length - 0.5, -0.5], showgrid: false, fixedrange: true, ...SPACED });
const rowHeight = (runs) => Math.min(Math.max(22, 10 + 8 * runs), 72);
const spread = (values, intervals, colour, along) => ({ [along]: { type: "data", symmetric: false, color: colour, thickness: 1.3, width: 0,
  array: values.map((value, i) => (intervals[i] ? intervals[i][1] - value : 0)), arrayminus: values.map((value, i) => (intervals[i] ? value - intervals[i][0] : 0)) } });

// One run's figures in rows: a marker with its interval.
function markers(run, index, count, values, intervals, texts, extra = {}) {
  return { type: "scatter", mode: "markers", x: values, y: values.map((_, i) => i + offset(index, count)), text: texts,
    hovertemplate: "%{text}<extra></extra>", marker: { color: run.colour, symbol: run.symbol, size: 8 }, ...spread(values, intervals, run.colour, "error_x"), ...extra };
}

// What the best look-up reaches, in the run's row: a grey bar.
function rivals(index, count, values, texts, extra = {}) {
  return { type: "scatter", mode: "markers", x: values, y: values.map((_, i) => i + offset(index, count)), text: texts,
    hovertemplate: "%{text}<extra></extra>", marker: { symbol: "line-ns-open", color: "#777", size: 11, line: { width: 2, color: "#777" } }, ...extra };
}

const said = (run, what, value, interval, write) => `<b>${plain(run.name)}</b><br>${plain(what)}: ${write(value)} ${within(interval, write)}`;

function scorePlots(group) {
  const names = Object.keys(group.runs[0].metrics.segmentation);
  const height = () => 62 + names.length * rowHeight(shownRuns(group).length);
  const draw = (rows, title, one, extra) => () => {
    const runs = shownRuns(group);
    return [runs.flatMap((run, index) => one(run, index, runs.length)), layout(height(), {
      xaxis: axis(title, extra), yaxis: rowAxis(rows), shapes: bands(rows.length) })];
  };
  const segmentation = (run, index, count) => {
    const values = names.map((name) => run.metrics.segmentation[name]), intervals = names.map((name) => run.metrics.intervals.segmentation[name]);
    return [markers(run, index, count, values, intervals, names.map((name, i) => said(run, name, values[i], intervals[i], percent)))];
  };
  const errors = (run, index, count) => {
    const own = run.metrics.progress.predicted, intervals = AVERAGES.map((name) => own && run.metrics.intervals.progress.predicted[name]);
    const bars = AVERAGES.map((name) => { const figures = lookupFigures(run, name); return figures ? figures[name] : null; });
    const values = AVERAGES.map((name) => (own ? own[name] : null));
    return [rivals(index, count, bars, AVERAGES.map((name, i) => said(run, `best look-up (${run.best[name]}), ${name}`, bars[i], null, fraction))),
      markers(run, index, count, values, intervals, AVERAGES.map((name, i) => said(run, name, values[i], intervals[i], fraction)))];
  };
  return make("div", { className: "pair" },
    make("div", {}, make("h3", {}, "Segmentation"), addPlot(group, height, draw(names.map((name) => name.replaceAll("_", " ")), "percent", segmentation, { range: [0, 101] }))),
    make("div", {}, make("h3", {}, "Progress error; grey bars: best look-up on the run's segments"), addPlot(group, height, draw(AVERAGES, "mean |reported - true|", errors))));
}

const MANY_SPREADS = 5;
const DIAGONAL = { type: "scatter", mode: "lines", x: [0, 1], y: [0, 1], line: { color: "#999", width: 1, dash: "dot" }, hoverinfo: "skip" };

function reliability(group) {
  const draw = (which, across, up) => () => {
    const runs = shownRuns(group), traces = runs.map((run, index) => {
      const figures = run.reliability[group.counted][which], centres = figures.mean.map((_, i) => i / 10 + 0.05 + offset(index, runs.length) * 0.06);
      const texts = figures.mean.map((mean, i) => `<b>${plain(run.name)}</b><br>${across} ${(i / 10).toFixed(1)} to ${((i + 1) / 10).toFixed(1)}: ${figures.num_frames[i]} frames<br>${up} ${fraction(mean)}, middle half ${fraction(figures.low[i])} to ${fraction(figures.high[i])}`);
      return { type: "scatter", mode: "lines+markers", x: centres, y: figures.mean, text: texts, hovertemplate: "%{text}<extra></extra>",
        line: { color: run.colour, width: 1.6, dash: run.dash }, marker: { color: run.colour, symbol: run.symbol, size: 7 },
        ...(runs.length <= MANY_SPREADS ? spread(figures.mean, figures.low.map((low, i) => [low, figures.high[i]]), run.colour, "error_y") : {}) };
    });
    return [[DIAGONAL, ...traces], layout(400, { xaxis: axis(`${across}, tenths`, { range: [0, 1], dtick: 0.1 }), yaxis: axis(`${up}, mean`, { range: [-0.01, 1.01], dtick: 0.2 }) })];
  };
  const counted = chooser(group, "Frames", [["all", "all of actions"], ["right", "of actions whose class is predicted right"]], (name) => { group.counted = name; });
  return [section("Reliability of progress", "Left: what is reported to somebody who is so far along. Right: how far along somebody is to whom so much is reported. On the dotted line reported and true agree. Where background is predicted, 0 is reported. Bars hold the middle half of the frames; with more than five runs they are left to the hover text.", counted,
    make("div", { className: "pair" }, addPlot(group, () => 400, draw("reported", "true progress", "reported progress")), addPlot(group, () => 400, draw("true", "reported progress", "true progress"))))];
}

function classes(group) {
  const order = () => {
    const runs = shownRuns(group), names = [...new Set(group.runs.flatMap((run) => Object.keys(anyFigures(run).per_class)))];
    const mean = (name) => { const found = runs.map((run) => anyFigures(run).per_class[name]).filter(known); return found.reduce((a, b) => a + b, 0) / (found.length || 1); };
    return names.sort((one, other) => mean(other) - mean(one));
  };
  const count = new Set(group.runs.flatMap((run) => Object.keys(anyFigures(run).per_class))).size;
  const height = () => 70 + count * rowHeight(shownRuns(group).length);
  const draw = () => {
    const names = order(), runs = shownRuns(group);
    return [runs.flatMap((run, index) => classTraces(group, run, index, runs.length, names)), layout(height(), {
      xaxis: axis("progress error, mean |reported - true|", { rangemode: "tozero", domain: [0, 0.48] }), xaxis2: axis("frames of the class that are predicted right, percent", { range: [-2, 102], domain: [0.53, 1] }),
      yaxis: rowAxis(names), shapes: bands(names.length) })];
  };
  return [section("Classes", "Actions that occur in the test videos, those with the largest mean error first. Lines are 95 % over videos (none for a class of one video), grey bars the look-up that is best over all classes, on the run's predicted segments.", addPlot(group, height, draw))];
}

// Errors by class of a run; of a look-up for a run that reports no progress, only for its class names.
const anyFigures = (run) => run.metrics.progress.predicted || lookupFigures(run, "macro") || { per_class: {} };

function classTraces(group, run, index, count, names) {
  const own = run.metrics.progress.predicted, intervals = names.map((name) => own && run.metrics.intervals.progress.predicted.per_class[name]);
  const values = names.map((name) => (own ? own.per_class[name] : null)), rival = lookupFigures(run, "macro"), bars = names.map((name) => (rival ? rival.per_class[name] : null));
  const ids = names.map((name) => group.class_names.indexOf(name)), frames = ids.map((id) => run.confusion[id].reduce((a, b) => a + b, 0));
  const right = ids.map((id, i) => (frames[i] ? (100 * run.confusion[id][id]) / frames[i] : null));
  return [rivals(index, count, bars, names.map((name, i) => said(run, `${name}, best look-up (${run.best.macro})`, bars[i], null, fraction))),
    markers(run, index, count, values, intervals, names.map((name, i) => said(run, name, values[i], intervals[i], fraction))),
    markers(run, index, count, right, [], names.map((name, i) => `${said(run, name, right[i], null, percent)} % of ${frames[i]} frames`), { xaxis: "x2" })];
}

function lengths(group) {
  const draw = (figure, title, write, top) => () => [shownRuns(group).map((run) => {
    const { segments, frames, [figure]: values } = run.lengths;
    return { type: "scatter", mode: "lines+markers", x: DATA.length_bins, y: values, connectgaps: false, hovertemplate: "%{text}<extra></extra>",
      text: values.map((value, i) => `${said(run, `segments of ${DATA.length_bins[i]} frames`, value, null, write)}<br>${segments[i]} segments, ${frames[i]} frames`),
      line: { color: run.colour, width: 1.6, dash: run.dash }, marker: { color: run.colour, symbol: run.symbol, size: 8 } };
  }), layout(320, { xaxis: axis("frames of the true segment", { type: "category", categoryorder: "array", categoryarray: DATA.length_bins, range: [-0.3, DATA.length_bins.length - 0.7] }), yaxis: axis(title, top ? { range: [0, top] } : { rangemode: "tozero" }) })];
  const counts = group.runs[0].lengths.segments.map((count, i) => `${DATA.length_bins[i]}: ${count}`).join(", ");
  return [section("Segment lengths", `Frames of actions, pooled by the length of the true segment they lie in. True segments of so many frames: ${counts}.`, make("div", { className: "pair" },
    addPlot(group, () => 320, draw("error", "progress error", fraction)), addPlot(group, () => 320, draw("acc", "frames predicted right, percent", percent, 102))))];
}

function confusion(group) {
  const beside = group.class_names.length <= MANY_CLASSES && group.runs.length > 1 ? [0, group.runs.length - 1] : [0];
  const parts = beside.map((first) => {
    const chosen = { run: group.runs[first] }, box = addPlot(group, () => confusionHeight(group), () => drawConfusion(group, chosen.run));
    const list = chooser(group, "Run", group.runs.map((run, index) => [index, run.name]), (index) => { chosen.run = group.runs[index]; });
    list.firstElementChild.value = first;
    return make("div", {}, ...(group.runs.length > 1 ? [list] : []), box);
  });
  return [section("Confusion", "Percent of the frames of each true class (row); counts on hover.", make("div", { className: beside.length > 1 ? "pair" : "" }, ...parts))];
}

const MANY_CLASSES = 30;
const confusionHeight = (group) => Math.min(Math.max(360, 150 + (group.class_names.length > MANY_CLASSES ? 14 : 26) * group.class_names.length), 1700);

function drawConfusion(group, run) {
  const names = group.class_names.map((name) => plain(short(name, 22))), rows = run.confusion, totals = rows.map((one) => one.reduce((a, b) => a + b, 0));
  const shares = rows.map((one, label) => one.map((frames) => (totals[label] ? (100 * frames) / totals[label] : null)));
  const texts = rows.map((one, label) => one.map((frames, taken) => `<b>${plain(run.name)}</b><br>true: ${plain(group.class_names[label])}<br>predicted: ${plain(group.class_names[taken])}<br>${frames} of ${totals[label]} frames (${percent(shares[label][taken])} %)`));
  const many = names.length > MANY_CLASSES, gap = names.length > 60 ? 0 : 1;
  const ticks = { tickvals: names.map((_, index) => index), ticktext: names, tickfont: { size: many ? 9 : 11 }, showgrid: false, ...SPACED };
  const numbers = many ? {} : { text: shares.map((one) => one.map((share) => (share >= 0.5 ? share.toFixed(0) : ""))), texttemplate: "%{text}", textfont: { size: 10 } };
  const scale = { title: { text: "percent of the true class", side: "right" }, thickness: 12, len: 1 };
  return [[{ type: "heatmap", z: shares, zmin: 0, zmax: 100, hovertext: texts, hovertemplate: "%{hovertext}<extra></extra>", xgap: gap, ygap: gap, ...numbers,
    colorscale: [[0, "#f7f7f7"], [0.25, "#bcd7eb"], [0.6, "#4f97c9"], [1, "#08306b"]], colorbar: scale }],
  layout(confusionHeight(group), { xaxis: axis("predicted class", { ...ticks, tickangle: many ? -90 : -45 }), yaxis: axis("true class", { ...ticks, autorange: "reversed" }) })];
}
