// Plots of scores and reliability, and the parts of all plots of runs. Every run keeps its colour and symbol.

// Of rows as high as `rowHeight`, so that equal figures of two runs stand beside each other.
const offset = (index, count) => (index - (count - 1) / 2) * Math.min(0.32, 0.8 / count);
const bands = (count) =>
  Array.from({ length: Math.ceil(count / 2) }, (_, index) => ({
    type: "rect",
    xref: "paper",
    x0: 0,
    x1: 1,
    yref: "y",
    y0: 2 * index - 0.5,
    y1: 2 * index + 0.5,
    fillcolor: themed("stripe"),
    line: { width: 0 },
    layer: "below",
  }));
const rowAxis = (names, letters = 30) =>
  axis("", {
    tickvals: names.map((_, index) => index),
    ticktext: names.map((name) => plain(short(name, letters))),
    range: [names.length - 0.5, -0.5],
    showgrid: false,
    fixedrange: true,
    ...SPACED,
  });
const rowHeight = (runs) => Math.min(Math.max(22, 10 + 8 * runs), 72);
const spread = (values, intervals, colour, along) => ({
  [along]: {
    type: "data",
    symmetric: false,
    color: colour,
    thickness: 1.3,
    width: 0,
    array: values.map((value, i) => (intervals[i] ? intervals[i][1] - value : 0)),
    arrayminus: values.map((value, i) => (intervals[i] ? value - intervals[i][0] : 0)),
  },
});

// Figures in rows; a run with this index, of `count` runs, has a height of its own in each row.
const dots = (index, count, values, texts, marker) => ({
  type: "scatter",
  mode: "markers",
  x: values,
  y: values.map((_, i) => i + offset(index, count)),
  text: texts,
  hovertemplate: "%{text}<extra></extra>",
  marker,
});

// One run's figures: a marker with its interval.
function markers(run, index, count, values, intervals, texts, extra = {}) {
  return {
    ...dots(index, count, values, texts, { color: run.colour, symbol: run.symbol, size: 8 }),
    ...spread(values, intervals, run.colour, "error_x"),
    ...extra,
  };
}

// The best look-up's figures, in the run's row: a grey bar.
function lookupBars(index, count, values, texts, extra = {}) {
  const bar = { symbol: "line-ns-open", color: themed("faint"), size: 11, line: { width: 2, color: themed("faint") } };
  return { ...dots(index, count, values, texts, bar), ...extra };
}

// A hover box must not be wider than a narrow window.
const HOVER_LETTERS = 46;
function wrapped(text) {
  if (!NARROW.matches) return plain(text);
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) && lines.at(-1).length + word.length >= HOVER_LETTERS) lines.push("");
    lines.push(`${lines.pop()} ${word}`.trimStart());
  }
  return lines.map(plain).join("<br>");
}

const hoverText = (run, what, value, interval, write) =>
  `<b>${plain(run.name)}</b><br>${wrapped(`${what}: ${write(value)} ${bracketed(interval, write)}`.trim())}`;

function scorePlots(group) {
  const names = Object.keys(group.runs[0].metrics.segmentation);
  const height = () => 62 + names.length * rowHeight(shownRuns(group).length);
  const draw = (rows, title, one, extra) => () => {
    const runs = shownRuns(group);
    return [
      runs.flatMap((run, index) => one(run, index, runs.length)),
      layout(height(), {
        margin: { l: 40 + 6.2 * Math.max(...rows.map((name) => Math.min(name.length, 30))), r: 16, t: 12, b: 44 },
        xaxis: axis(title, { ...extra, automargin: false }),
        yaxis: { ...rowAxis(rows), automargin: false },
        shapes: bands(rows.length),
      }),
    ];
  };
  const segmentation = (run, index, count) => {
    const values = names.map((name) => run.metrics.segmentation[name]),
      intervals = names.map((name) => run.metrics.intervals.segmentation[name]);
    return [
      markers(
        run,
        index,
        count,
        values,
        intervals,
        names.map((name, i) => hoverText(run, name, values[i], intervals[i], percent)),
      ),
    ];
  };
  const errors = (run, index, count) => {
    const own = run.metrics.progress.predicted,
      intervals = AVERAGES.map((name) => own && run.metrics.intervals.progress.predicted[name]);
    const bars = AVERAGES.map((name) => {
      const figures = bestLookup(run, name);
      return figures ? figures[name] : null;
    });
    const values = AVERAGES.map((name) => (own ? own[name] : null));
    return [
      lookupBars(
        index,
        count,
        bars,
        AVERAGES.map((name, i) => hoverText(run, `best look-up (${inWords(run.best[name])}), ${name}`, bars[i], null, fraction)),
      ),
      markers(
        run,
        index,
        count,
        values,
        intervals,
        AVERAGES.map((name, i) => hoverText(run, name, values[i], intervals[i], fraction)),
      ),
    ];
  };
  return make(
    "div",
    { className: "pair" },
    make(
      "div",
      {},
      make("h3", {}, "Segmentation"),
      addPlot(
        group,
        height,
        draw(
          names.map((name) => inWords(name)),
          "percent",
          segmentation,
          { range: [0, 101] },
        ),
      ),
    ),
    make(
      "div",
      {},
      make("h3", {}, "Progress error; grey bars: the best look-up on the run's predicted segments"),
      addPlot(group, height, draw(
          AVERAGES.map((name) => inWords(name)),
          "mean |reported - true|",
          errors,
        )),
    ),
  );
}

const MANY_SPREADS = 5;
const DIAGONAL = {
  type: "scatter",
  mode: "lines",
  x: [0, 1],
  y: [0, 1],
  line: { color: themed("edge"), width: 1, dash: "dot" },
  hoverinfo: "skip",
};

function reliability(group) {
  const draw = (which, across, up) => () => {
    const runs = shownRuns(group).filter((run) => run.reliability),
      traces = runs.map((run, index) => {
        const figures = run.reliability[group.counted][which],
          centres = figures.mean.map((_, i) => i / 10 + 0.05 + offset(index, runs.length) * 0.06);
        const texts = figures.mean.map(
          (mean, i) =>
            `<b>${plain(run.name)}</b><br>${across} ${(i / 10).toFixed(1)} to ${((i + 1) / 10).toFixed(1)}: ` +
            `${figures.num_frames[i]} frames<br>${up} ${fraction(mean)}, ` +
            `middle half ${fraction(figures.low[i])} to ${fraction(figures.high[i])}`,
        );
        return {
          type: "scatter",
          mode: "lines+markers",
          x: centres,
          y: figures.mean,
          text: texts,
          hovertemplate: "%{text}<extra></extra>",
          line: { color: run.colour, width: 1.6, dash: run.dash },
          marker: { color: run.colour, symbol: run.symbol, size: 7 },
          ...(runs.length <= MANY_SPREADS
            ? spread(
                figures.mean,
                figures.low.map((low, i) => [low, figures.high[i]]),
                run.colour,
                "error_y",
              )
            : {}),
        };
      });
    return [
      [DIAGONAL, ...traces],
      layout(400, {
        xaxis: axis(`${across}, in tenths of the scale`, { range: [0, 1], dtick: 0.1 }),
        yaxis: axis(`${up}, mean`, { range: [-0.01, 1.01], dtick: 0.2 }),
      }),
    ];
  };
  const counted = chooser(
    group,
    "Frames",
    [
      ["all", "all frames of actions"],
      ["right", "frames of actions with the correct class"],
    ],
    (name) => {
      group.counted = name;
    },
  );
  return [
    section(
      "Reliability of progress",
      "Left: mean reported progress at each true progress. Right: mean true progress at each reported progress. " +
        "On the dotted line both agree. Without a duration filter, 0 is reported where background is predicted. " +
        "Bars contain the middle half of the frames; with more than five runs, only the hover text gives them.",
      counted,
      make(
        "div",
        { className: "pair" },
        addPlot(group, () => 400, draw("reported", "true progress", "reported progress")),
        addPlot(group, () => 400, draw("true", "reported progress", "true progress")),
      ),
    ),
  ];
}
