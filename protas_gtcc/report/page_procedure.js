// The procedure of a test video: time left, progress, alarms and the next step over the list of steps that are done.
// Times are in minutes. The lower part has an axis in pixels: rows of segments, each with its name.

const LEVELS = 255,
  LEFT = 150,
  PROGRESS = 64,
  SPACE = 16,
  FOOT = 44,
  LETTER = 6.1;
// In a narrow window names stand above their rows, else beside them.
const NARROW = matchMedia("(max-width: 959px)");
NARROW.addEventListener("change", () => DATA.groups.forEach(changed));
const SHADES = [
  [0, "#f5f5f5"],
  [0.5, "#cfe0ef"],
  [1, "#7fb2d9"],
];
const MISTAKE = "#c0261c";

const unpackShares = (text) => Array.from(atob(text), (one) => one.charCodeAt(0) / LEVELS);

function procedureText(group) {
  if (!group.videos.some((video) => video.procedure)) return [];
  const text =
    "Procedure: the median of the time left with its 80 % interval, which may reach beyond the plot, and the progress " +
    "of the procedure; grey: true. " +
    "Numbered marks are alarms: filled if right, hollow if false, square if mistakes are not annotated. Below are the " +
    "true next step and the likeliest one with its probability. Each step has a row: bars where it was truly done, " +
    "with a red edge if a mistake is annotated; a black line where it was reported done; blue shade is the " +
    "probability that it is done.";
  return [make("p", {}, text)];
}

// The procedure of a run's video, closed unless it is the only run; nothing if the run reports none.
function procedureOf(group, run, number) {
  const own = run.videos[number].procedure,
    truth = group.videos[number].procedure;
  if (!own) return [];
  const place = make("details", { className: "procedure", open: group.runs.length === 1 });
  const box = addPlot(
    group,
    () => procedureHeight(rowsOf(group, number, own, place)),
    () => drawProcedure(group, run, number, rowsOf(group, number, own, place)),
  );
  group.tables.push(() => (place.hidden = !run.shown));
  place.append(
    make("summary", {}, `Procedure${group.runs.length > 1 ? `, ${run.name}` : ""}: ${procedureFacts(group, own)}`),
    box,
    ...othersText(own.others),
    ...alarmList(group, truth, own),
  );
  return [place];
}

function procedureFacts(group, own) {
  const facts = [];
  if (known(own.left_error)) facts.push(`time left off by ${(own.left_error / 60).toFixed(2)} min on average`);
  if (own.next_frames) facts.push(`next step right at ${Math.round((100 * own.next_right) / own.next_frames)} % of frames`);
  facts.push(alarmCounts(own));
  return facts.join("; ") + (group.simulated ? " (SIMULATED)" : "");
}

function othersText(others) {
  const kinds = [
    ["both", "done and reported done"],
    ["only_done", "done, never reported done"],
    ["only_reported", "reported done, not done"],
    ["neither", "neither done nor reported done"],
  ];
  const found = kinds.filter(([name]) => others[name]).map(([name, text]) => `${others[name]} ${text}`),
    total = kinds.reduce((sum, [name]) => sum + others[name], 0);
  return total ? [make("p", {}, `${total} more step${total === 1 ? "" : "s"} without a row: ${found.join(", ")}.`)] : [];
}

// The rows with their places in pixels: { name, top, height, middle }, further what is drawn in them.
function rowsOf(group, number, own, place) {
  const { missing, is_annotated: isAnnotated, steps } = group.videos[number].procedure,
    width = place.parentElement?.clientWidth || innerWidth,
    isNarrow = NARROW.matches,
    letters = isNarrow ? Math.floor((width - 12) / LETTER) : 64,
    names = own.rows.map((row) => short(stepName(group, row.label), letters)),
    margin = isNarrow ? 44 : Math.min(420, 30 + LETTER * Math.max(14, ...names.map((name) => name.length))),
    alarms = alarmsOf(own),
    apart = (group.videos[number].num_frames * (LANE + 1)) / Math.max(width - margin - 30, 100),
    lanes = lanesOf(alarms, apart),
    head = isNarrow ? 17 : 0;
  const rows = [];
  let top = 0;
  const add = (name, height, more = {}) => {
    rows.push({ name, top: top + head, height, middle: top + head + height / 2, ...more });
    top += head + height + 4;
  };
  if (alarms.length) add("alarms", LANE * (Math.max(...lanes) + 1), { kind: "alarms" });
  add("label, true", 18, { kind: "label" });
  add("next step, true", 18, { kind: "next" });
  add("next step, likeliest", 18, { kind: "likeliest" });
  add("its probability", 12, { kind: "probability" });
  top += 12;
  const done = new Set(steps.map(([label]) => label));
  own.rows.forEach((row, index) => {
    const isMissing = missing.includes(row.label),
      note = done.has(row.label) ? "" : isMissing ? "missing" : isAnnotated ? "not done, not missing" : "not done";
    add(names[index], 18, { kind: "step", isMissing, note, ...row });
  });
  return { rows, total: top, margin, isNarrow, alarms, lanes, top: LEFT + PROGRESS + 2 * SPACE };
}

const procedureHeight = ({ total, top }) => top + total + FOOT + 8;

function drawProcedure(group, run, number, places) {
  const { num_frames: numFrames, procedure: truth } = group.videos[number],
    own = run.videos[number].procedure,
    unit = 60 * group.fps,
    count = Math.ceil(numFrames / own.every),
    edges = Array.from({ length: count + 1 }, (_, index) => Math.min(index * own.every, numFrames)),
    time = edges.slice(1).map((edge) => (edge - 1) / unit);
  const row = (kind) => places.rows.find((one) => one.kind === kind);
  const inColumns = segmentsOf(own.next).map(([start, end, label]) => [edges[start], edges[end], label]),
    steps = places.rows.filter((one) => one.kind === "step");
  const traces = [
    ...leftTraces(group, run, own, truth, time, numFrames),
    ...progressTraces(group, run, own, truth, time),
    shades(places, own, edges.map((edge) => edge / unit)),
    strip(group, segmentsOf(group.videos[number].segments), row("label")),
    strip(group, segmentsOf(truth.next).filter(([, , label]) => label >= 0), row("next")),
    strip(group, inColumns, row("likeliest")),
    stepBars(group, truth, steps),
    reportedMarks(group, steps),
  ];
  if (places.alarms.length) {
    const first = row("alarms").top + LANE / 2,
      inRows = places.alarms.map((alarm) => steps.find((one) => one.label === alarm.label));
    traces.push(alarmMarks(group, places.alarms, places.lanes.map((lane) => first + LANE * lane)));
    const shown = places.alarms.map((alarm, index) => [alarm, inRows[index]]).filter(([, one]) => one);
    traces.push(alarmMarks(group, shown.map(([alarm]) => alarm), shown.map(([, one]) => one.middle)));
  }
  return [traces, procedureLayout(run, numFrames / unit, mostLeft(own, truth, unit), places)];
}

const line = (yaxis, x, y, more) => ({ type: "scatter", mode: "lines", yaxis, x, y, hoverinfo: "skip", ...more });
const TRUE_LINE = { line: { color: "#888", width: 2 } };

function leftTraces(group, run, own, truth, time, numFrames) {
  const [low, median, high] = ["left_low", "left", "left_high"].map((name) =>
    unpack(own[name], 60 * own.left_scale),
  );
  const unit = 60 * group.fps,
    last = known(truth.end) ? truth.end - 1 : null,
    hidden = { line: { width: 0 } };
  const texts = median.map((value, i) => `${value.toFixed(1)} min left (${low[i].toFixed(1)} to ${high[i].toFixed(1)})`);
  return [
    line("y", time, low, hidden),
    line("y", time, high, { ...hidden, fill: "tonexty", fillcolor: run.colour + "2b" }),
    ...(known(last) ? [line("y", [0, last / unit, (numFrames - 1) / unit], [last / unit, 0, 0], TRUE_LINE)] : []),
    line("y", time, median, {
      line: { color: run.colour, width: 1.6 },
      hoverinfo: "all",
      text: texts,
      hovertemplate: "%{text}, at %{x:.2f} min<extra></extra>",
    }),
  ];
}

// The top of the plot of the time left, in minutes: a wide interval may reach beyond, up to half of the plot is its.
function mostLeft(own, truth, unit) {
  const [median, high] = ["left", "left_high"].map((name) => Math.max(...unpack(own[name], 60 * own.left_scale)));
  return 1.05 * Math.max(Math.min(high, 2 * Math.max(median, (truth.end || 0) / unit)), 0.1);
}

function progressTraces(group, run, own, truth, time) {
  const unit = 60 * group.fps,
    ends = known(truth.end) ? [truth.first / unit, truth.end / unit] : [];
  return [
    ...(ends.length ? [line("y2", ends, [0, 1], TRUE_LINE)] : []),
    line("y2", time, unpackShares(own.progress), {
      line: { color: run.colour, width: 1.6 },
      hoverinfo: "all",
      hovertemplate: "%{y:.0%} of the procedure, at %{x:.2f} min<extra></extra>",
    }),
  ];
}

// Probabilities over time as shade. Between the rows there are some without values.
function shades(places, own, edges) {
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
    colorscale: SHADES,
    showscale: false,
    hoverongaps: false,
    hovertemplate: "probability %{z:.2f}, at %{x:.2f} min<extra></extra>",
  };
}

// Segments in a row, at nearly its whole height.
function strip(group, segments, row, height = row.height) {
  return {
    ...bars(group, segments, row.middle, 60 * group.fps),
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
function stepBars(group, truth, rows) {
  const shown = truth.steps
    .map(([label, start, end]) => [rows.find((row) => row.label === label), start, end])
    .filter(([row]) => row);
  const segments = shown.map(([row, start, end]) => [start, end, row.label]),
    mistakes = segments.map(([start, , label]) => mistakesOf(truth, label, start)),
    made = strip(group, segments, { middle: 0, height: 10 });
  made.y = shown.map(([row]) => row.middle);
  made.text = made.text.map(() => "");
  made.hovertext = made.hovertext.map((text, index) => [text, ...mistakes[index].map(plain)].join("<br>"));
  made.marker.line = {
    width: mistakes.map((found) => (found.length ? 2 : 0.6)),
    color: mistakes.map((found, index) => (found.length ? MISTAKE : made.marker.color[index])),
  };
  return made;
}

function reportedMarks(group, rows) {
  const reported = rows.filter((row) => known(row.reported));
  return {
    type: "scatter",
    mode: "markers",
    yaxis: "y3",
    x: reported.map((row) => row.reported / group.fps / 60),
    y: reported.map((row) => row.middle),
    marker: { symbol: "line-ns", size: 9, line: { width: 2.4, color: "#111" } },
    hovertext: reported.map((row) => plain(`${row.name}: reported done at ${atTime(group, row.reported)}`)),
    hovertemplate: "%{hovertext}<extra></extra>",
  };
}

// Names of rows, left of them or above them, and what is to be read in a row.
function rowTexts({ rows, isNarrow, margin }) {
  const text = (row, label, more) => ({
    text: label,
    yref: "y3",
    xref: "paper",
    x: 0,
    showarrow: false,
    font: { size: 11, color: row.isMissing ? MISTAKE : "#333" },
    ...more,
  });
  const names = rows.map((row) =>
    isNarrow
      ? text(row, plain(row.name), { y: row.top - 8, xanchor: "left", xshift: 8 - margin })
      : text(row, plain(row.name), { y: row.middle, xanchor: "right", xshift: -6 }),
  );
  const notes = rows
    .filter((row) => row.note)
    .map((row) => text(row, row.isMissing ? "<b>missing</b>" : row.note, { y: row.middle, xanchor: "left", xshift: 2 }));
  return [...names, ...notes];
}

function procedureLayout(run, minutes, most, places) {
  const { total, margin, top, isNarrow } = places,
    inner = top + total,
    upwards = (from, to) => [1 - to / inner, 1 - from / inner];
  const drawn = (yaxis, y, words) => ({
    text: words,
    xref: "paper",
    yref: yaxis,
    x: 1,
    y,
    xanchor: "right",
    yanchor: "top",
    showarrow: false,
    bgcolor: "rgba(255,255,255,.8)",
    font: { size: 11 },
  });
  const legend = `<span style="color:${run.colour}">reported, 80 % interval</span>, <span style="color:#777">true</span>`;
  return layout(procedureHeight(places), {
    barmode: "overlay",
    bargap: 0,
    uniformtext: { mode: "hide", minsize: 10 },
    hoverdistance: 12,
    margin: { l: margin, r: 12, t: 8, b: FOOT },
    xaxis: axis("minutes", { range: [0, minutes], anchor: "y3", showgrid: true, automargin: false }),
    yaxis: axis(isNarrow ? "min left" : "minutes left", {
      domain: upwards(0, LEFT),
      range: [0, most],
      fixedrange: true,
      automargin: false,
      nticks: 5,
    }),
    yaxis2: axis(isNarrow ? "" : "progress", {
      domain: upwards(LEFT + SPACE, LEFT + SPACE + PROGRESS),
      range: [-0.03, 1.05],
      tickformat: ".0%",
      dtick: 0.5,
      fixedrange: true,
      automargin: false,
    }),
    yaxis3: { domain: upwards(top, inner), range: [total, 0], fixedrange: true, visible: false },
    annotations: [...rowTexts(places), drawn("y domain", 1, legend)],
  });
}
