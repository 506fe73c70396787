// What is drawn in the plot of a procedure: lines over time, shades, segments and marks.

const shadeScale = () => [
  [0, themed("stripe")],
  [0.5, isDark() ? "#2c4a66" : "#cfe0ef"],
  [1, isDark() ? "#5b9bd0" : "#7fb2d9"],
];
const mistakeColour = () => (isDark() ? "#ff7b70" : "#c0261c");

const line = (yaxis, x, y, more) => ({ type: "scatter", mode: "lines", yaxis, x, y, hoverinfo: "skip", ...more });
const TRUE_LINE = { line: { color: themed("edge"), width: 2 } };

function leftTraces(run, own, truth, time, numFrames, unit) {
  const [low, median, high] = ["left_low", "left", "left_high"].map((name) =>
    unpack(own[name], unit.seconds * own.left_scale),
  );
  const last = known(truth.end) ? truth.end - 1 : null,
    hidden = { line: { width: 0 } };
  const texts = median.map(
    (value, i) => `${value.toFixed(1)} ${unit.short} left (${low[i].toFixed(1)} to ${high[i].toFixed(1)})`,
  );
  return [
    line("y", time, low, hidden),
    line("y", time, high, { ...hidden, fill: "tonexty", fillcolor: run.colour + "2b" }),
    ...(known(last) ? [line("y", [0, last / unit.frames, (numFrames - 1) / unit.frames], [last / unit.frames, 0, 0], TRUE_LINE)] : []),
    line("y", time, median, {
      line: { color: run.colour, width: 1.6 },
      hoverinfo: "all",
      text: texts,
      hovertemplate: `%{text}, at %{x:.2f} ${unit.short}<extra></extra>`,
    }),
  ];
}

// The top of the plot of the time left: a wide interval may reach beyond, up to half of the plot is its.
function mostLeft(own, truth, unit) {
  const [median, high] = ["left", "left_high"].map((name) => Math.max(...unpack(own[name], unit.seconds * own.left_scale)));
  const longest = Math.max(median, (truth.end || 0) / unit.frames);
  return 1.05 * Math.max(Math.min(2 * longest, Math.max(longest, high)), 0.1);
}

function progressTraces(run, own, truth, time, unit) {
  const ends = known(truth.end) ? [truth.first / unit.frames, truth.end / unit.frames] : [];
  return [
    ...(ends.length ? [line("y2", ends, [0, 1], TRUE_LINE)] : []),
    line("y2", time, unpackShares(own.progress), {
      line: { color: run.colour, width: 1.6 },
      hoverinfo: "all",
      hovertemplate: `%{y:.0%} of the procedure, at %{x:.2f} ${unit.short}<extra></extra>`,
    }),
  ];
}

// Probabilities over time as shade. Between the rows there are some without values.
function shades(places, own, edges, unit) {
  const y = [],
    z = [],
    none = edges.slice(1).map(() => null);
  for (const row of places.rows.filter((one) => one.done || one.kind === "probability")) {
    if (y.length) z.push(none);
    y.push(row.top, row.top + row.height);
    z.push(unpackShares(row.done || own.next_prob));
  }
  return {
    type: "heatmap",
    yaxis: "y3",
    x: edges,
    y,
    z,
    zmin: 0,
    zmax: 1,
    colorscale: shadeScale(),
    showscale: false,
    hoverongaps: false,
    hovertemplate: `probability %{z:.2f}, at %{x:.2f} ${unit.short}<extra></extra>`,
  };
}

// Segments in a row, at nearly its whole height.
function strip(group, segments, row, unit, height = row.height) {
  return {
    ...filledBars(group, segments, row.middle, unit.frames),
    yaxis: "y3",
    width: height,
    hoverinfo: "all",
    hovertext: segments.map(([start, end, label]) =>
      plain(`${stepName(group, label)}, ${atTime(group, start)} to ${atTime(group, end)}`),
    ),
    hovertemplate: "%{hovertext}<extra></extra>",
  };
}

// Tag and description of what is annotated of a step that starts at this frame.
const mistakesOf = (truth, label, start) =>
  truth.mistakes
    .filter(([wrong, at]) => wrong === label && at === start)
    .map(([, , ...words]) => words.filter(Boolean).join(": "));

// Where each step was truly done, with a red edge if a mistake in it is annotated.
function stepBars(group, truth, rows, unit) {
  const shown = truth.steps
    .map(([label, start, end]) => [rows.find((row) => row.label === label), start, end])
    .filter(([row]) => row);
  const segments = shown.map(([row, start, end]) => [start, end, row.label]),
    mistakes = segments.map(([start, , label]) => mistakesOf(truth, label, start)),
    made = strip(group, segments, { middle: 0, height: 10 }, unit);
  made.y = shown.map(([row]) => row.middle);
  delete made.meta; // their rows are named
  made.hovertext = made.hovertext.map((text, index) => [text, ...mistakes[index].map(plain)].join("<br>"));
  made.marker.line = {
    width: mistakes.map((found) => (found.length ? 2 : 0.6)),
    color: mistakes.map((found, index) => (found.length ? mistakeColour() : made.marker.color[index])),
  };
  return made;
}

function reportedMarks(group, rows, unit) {
  const reported = rows.filter((row) => known(row.reported));
  return {
    type: "scatter",
    mode: "markers",
    yaxis: "y3",
    x: reported.map((row) => row.reported / unit.frames),
    y: reported.map((row) => row.middle),
    marker: { symbol: "line-ns", size: 9, line: { width: 2.4, color: themed("text") } },
    hovertext: reported.map((row) => plain(`${row.name}: reported done at ${atTime(group, row.reported)}`)),
    hovertemplate: "%{hovertext}<extra></extra>",
  };
}
