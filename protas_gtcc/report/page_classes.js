// Plots by class and by segment length, and the confusion matrix.

function classes(group) {
  const order = () => {
    const runs = shownRuns(group),
      names = [...new Set(group.runs.flatMap((run) => Object.keys(anyFigures(run).per_class)))];
    const mean = (name) => {
      const found = runs.map((run) => anyFigures(run).per_class[name]).filter(known);
      return found.reduce((a, b) => a + b, 0) / (found.length || 1);
    };
    return names.sort((one, other) => mean(other) - mean(one));
  };
  const count = new Set(group.runs.flatMap((run) => Object.keys(anyFigures(run).per_class))).size;
  const height = () => 70 + count * rowHeight(shownRuns(group).length);
  const draw = () => {
    const names = order(),
      runs = shownRuns(group);
    return [
      runs.flatMap((run, index) => classTraces(group, run, index, runs.length, names)),
      layout(height(), {
        xaxis: axis("progress error, mean |reported - true|", { rangemode: "tozero", domain: [0, 0.48] }),
        xaxis2: axis("frames of the class that are predicted correctly, percent", {
          range: [-2, 102],
          domain: [0.53, 1],
        }),
        yaxis: rowAxis(names),
        shapes: bands(names.length),
      }),
    ];
  };
  return [
    section(
      "Classes",
      "Actions that occur in the test videos, with the largest mean error first. Lines: 95 % intervals " +
        "(none for a class in one video). Grey bars: the look-up with the least error over all classes, on the " +
        "run's predicted segments.",
      addPlot(group, height, draw),
    ),
  ];
}

// Errors by class of a run. A run that reports no progress gets those of a look-up, only for their class names.
const anyFigures = (run) => run.metrics.progress.predicted || bestLookup(run, "macro") || { per_class: {} };

function classTraces(group, run, index, count, names) {
  const own = run.metrics.progress.predicted,
    intervals = names.map((name) => own && run.metrics.intervals.progress.predicted.per_class[name]);
  const values = names.map((name) => (own ? own.per_class[name] : null)),
    lookup = bestLookup(run, "macro"),
    bars = names.map((name) => (lookup ? lookup.per_class[name] : null));
  const ids = names.map((name) => group.class_names.indexOf(name)),
    frames = ids.map((id) => run.confusion[id].reduce((a, b) => a + b, 0));
  const right = ids.map((id, i) => (frames[i] ? (100 * run.confusion[id][id]) / frames[i] : null));
  return [
    lookupBars(
      index,
      count,
      bars,
      names.map((name, i) => hoverText(run, `${name}, best look-up (${run.best.macro})`, bars[i], null, fraction)),
    ),
    markers(
      run,
      index,
      count,
      values,
      intervals,
      names.map((name, i) => hoverText(run, name, values[i], intervals[i], fraction)),
    ),
    markers(
      run,
      index,
      count,
      right,
      [],
      names.map((name, i) => `${hoverText(run, name, right[i], null, percent)} % of ${frames[i]} frames`),
      { xaxis: "x2" },
    ),
  ];
}

function lengths(group) {
  const draw = (figure, title, write, top) => () => [
    shownRuns(group).map((run) => {
      const { segments, frames, [figure]: values } = run.lengths;
      return {
        type: "scatter",
        mode: "lines+markers",
        x: DATA.length_bins,
        y: values,
        connectgaps: false,
        hovertemplate: "%{text}<extra></extra>",
        text: values.map(
          (value, i) =>
            `${hoverText(run, `segments of ${DATA.length_bins[i]} frames`, value, null, write)}` +
            `<br>${segments[i]} segments, ${frames[i]} frames`,
        ),
        line: { color: run.colour, width: 1.6, dash: run.dash },
        marker: { color: run.colour, symbol: run.symbol, size: 8 },
      };
    }),
    layout(320, {
      xaxis: axis("frames of the true segment", {
        type: "category",
        categoryorder: "array",
        categoryarray: DATA.length_bins,
        range: [-0.3, DATA.length_bins.length - 0.7],
      }),
      yaxis: axis(title, top ? { range: [0, top] } : { rangemode: "tozero" }),
    }),
  ];
  const counts = group.runs[0].lengths.segments.map((count, i) => `${DATA.length_bins[i]}: ${count}`).join(", ");
  return [
    section(
      "Segment lengths",
      "Frames of actions, pooled by the length of their true segment. " +
        `Number of true segments by their length in frames: ${counts}.`,
      make(
        "div",
        { className: "pair" },
        addPlot(group, () => 320, draw("error", "progress error", fraction)),
        addPlot(group, () => 320, draw("acc", "frames predicted correctly, percent", percent, 102)),
      ),
    ),
  ];
}

function confusion(group) {
  const beside = group.class_names.length <= MANY_CLASSES && group.runs.length > 1 ? [0, group.runs.length - 1] : [0];
  const parts = beside.map((first) => {
    const chosen = { run: group.runs[first] },
      box = addPlot(
        group,
        () => confusionHeight(group),
        () => drawConfusion(group, chosen.run),
      );
    const list = chooser(
      group,
      "Run",
      group.runs.map((run, index) => [index, run.name]),
      (index) => {
        chosen.run = group.runs[index];
      },
    );
    list.firstElementChild.value = first;
    return make("div", {}, ...(group.runs.length > 1 ? [list] : []), box);
  });
  return [
    section(
      "Confusion matrix",
      "Percent of the frames of each true class (row); counts on hover.",
      make("div", { className: beside.length > 1 ? "pair" : "" }, ...parts),
    ),
  ];
}

const MANY_CLASSES = 30;
const confusionHeight = (group) =>
  Math.min(Math.max(360, 150 + (group.class_names.length > MANY_CLASSES ? 14 : 26) * group.class_names.length), 1700);

function drawConfusion(group, run) {
  const names = group.class_names.map((name) => plain(short(name, 22))),
    rows = run.confusion,
    totals = rows.map((one) => one.reduce((a, b) => a + b, 0));
  const shares = rows.map((one, label) =>
    one.map((frames) => (totals[label] ? (100 * frames) / totals[label] : null)),
  );
  const texts = rows.map((one, label) =>
    one.map(
      (frames, taken) =>
        `<b>${plain(run.name)}</b><br>true: ${plain(group.class_names[label])}` +
        `<br>predicted: ${plain(group.class_names[taken])}` +
        `<br>${frames} of ${totals[label]} frames (${percent(shares[label][taken])} %)`,
    ),
  );
  const many = names.length > MANY_CLASSES,
    gap = names.length > 60 ? 0 : 1;
  const ticks = {
    tickvals: names.map((_, index) => index),
    ticktext: names,
    tickfont: { size: many ? 9 : 11 },
    showgrid: false,
    ...SPACED,
  };
  const numbers = many
    ? {}
    : {
        text: shares.map((one) => one.map((share) => (share >= 0.5 ? share.toFixed(0) : ""))),
        texttemplate: "%{text}",
        textfont: { size: 10 },
      };
  const scale = { title: { text: "percent of the true class", side: "right" }, thickness: 12, len: 1 };
  return [
    [
      {
        type: "heatmap",
        z: shares,
        zmin: 0,
        zmax: 100,
        hovertext: texts,
        hovertemplate: "%{hovertext}<extra></extra>",
        xgap: gap,
        ygap: gap,
        ...numbers,
        colorscale: [
          [0, themed("stripe")],
          [0.25, "#bcd7eb"],
          [0.6, "#4f97c9"],
          [1, "#08306b"],
        ],
        colorbar: scale,
      },
    ],
    layout(confusionHeight(group), {
      xaxis: axis("predicted class", { ...ticks, tickangle: many ? -90 : -45 }),
      yaxis: axis("true class", { ...ticks, autorange: "reversed" }),
    }),
  ];
}
