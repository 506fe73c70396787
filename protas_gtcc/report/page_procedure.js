// The procedure of a test video: time left, progress, alarms and the next step over the list of steps that are done.
// The lower part has an axis in pixels: rows of segments, each with its name.

const LEVELS = 255,
  LEFT = 150,
  PROGRESS = 64,
  SPACE = 16,
  FOOT = 44,
  LETTER = 6.1;
// In a narrow window names stand above their rows, else beside them.
const NARROW = matchMedia("(max-width: 959px)");
NARROW.addEventListener("change", () => DATA.groups.forEach(changed));

const unpackShares = (text) => Array.from(atob(text), (one) => one.charCodeAt(0) / LEVELS);

// The figures of the runs that follow procedures.
function procedureScores(group) {
  const following = group.runs.filter((run) => run.procedure);
  if (!following.length) return [];
  const text =
    "Time left: mean error in minutes, beside that of a look-up that is given the true steps so far. Next step: share " +
    "of starts before which it was the likeliest, or one of three. False alarms and wrong steps named: by alarms of all " +
    "reasons, at the budget of the run. A wrong step counts once for each reason.";
  const rows = () =>
    following
      .filter((run) => run.shown)
      .map((run) =>
        row([
          nameCell(run),
          ...Object.values(run.procedure).map(([figure, interval]) => cell(figure, make("small", {}, interval))),
        ]),
      );
  const heads = ["run", ...Object.keys(following[0].procedure)];
  return [
    section(
      "Procedures",
      text,
      remade(group, () => (rows().length ? table(heads, rows()) : nothing())),
      ...meanings(heads),
    ),
  ];
}

function procedureText(group) {
  if (!group.videos.some((video) => video.procedure)) return [];
  const text =
    "Procedure: the median of the time left with its 80 % interval, which may reach beyond the plot, and the " +
    "progress of the procedure; grey: true. Numbered marks are alarms: filled if right, hollow if false, square if " +
    "mistakes are not annotated. Below are the true next step and the likeliest one with its probability. Each step " +
    "has a row: bars where it was truly done, with a red edge if a mistake is annotated; an upright line where it was " +
    "reported done; blue shade is the probability that it is done.";
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
  group.parts.push({ remake: () => (place.hidden = !run.shown) });
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
  const error = own.left_error;
  if (known(error)) facts.push(`time left off by ${lasting(error)} on average`);
  if (own.next_frames) {
    facts.push(`next step right at ${Math.round((100 * own.next_right) / own.next_frames)} % of frames`);
  }
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
  if (!total) return [];
  return [make("p", {}, `${total} more step${total === 1 ? "" : "s"} without a row: ${found.join(", ")}.`)];
}

// The rows with their places in pixels: { name, top, height, middle }, further what is drawn in them.
function rowsOf(group, number, own, place) {
  const { missing, is_annotated: isAnnotated, steps } = group.videos[number].procedure,
    width = place.parentElement?.clientWidth || innerWidth,
    isNarrow = NARROW.matches,
    letters = isNarrow ? Math.max(Math.floor((width - 12) / LETTER), 16) : 64,
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
    unit = unitOfVideo(group, number),
    count = Math.ceil(numFrames / own.every),
    edges = Array.from({ length: count + 1 }, (_, index) => Math.min(index * own.every, numFrames)),
    time = edges.slice(1).map((edge) => (edge - 1) / unit.frames);
  const row = (kind) => places.rows.find((one) => one.kind === kind);
  const inColumns = segmentsOf(own.next).map(([start, end, label]) => [edges[start], edges[end], label]),
    steps = places.rows.filter((one) => one.kind === "step");
  const traces = [
    ...leftTraces(run, own, truth, time, numFrames, unit),
    ...progressTraces(run, own, truth, time, unit),
    shades(places, own, edges.map((edge) => edge / unit.frames), unit),
    strip(group, segmentsOf(group.videos[number].segments), row("label"), unit),
    strip(group, segmentsOf(truth.next).filter(([, , label]) => label >= 0), row("next"), unit),
    strip(group, inColumns, row("likeliest"), unit),
    stepBars(group, truth, steps, unit),
    reportedMarks(group, steps, unit),
  ];
  if (places.alarms.length) {
    const first = row("alarms").top + LANE / 2,
      inRows = places.alarms.map((alarm) => steps.find((one) => one.label === alarm.label));
    traces.push(alarmMarks(group, places.alarms, places.lanes.map((lane) => first + LANE * lane), unit.frames));
    const shown = places.alarms.map((alarm, index) => [alarm, inRows[index]]).filter(([, one]) => one);
    traces.push(alarmMarks(group, shown.map(([alarm]) => alarm), shown.map(([, one]) => one.middle), unit.frames));
  }
  return [traces, procedureLayout(run, numFrames / unit.frames, mostLeft(own, truth, unit), places, unit)];
}

// Names of rows, left of them or above them, and what is to be read in a row.
function rowTexts({ rows, isNarrow, margin }) {
  const text = (row, label, more) => ({
    text: label,
    yref: "y3",
    xref: "paper",
    x: 0,
    showarrow: false,
    font: { size: 11, color: row.isMissing ? mistakeColour() : themed("text") },
    ...more,
  });
  const names = rows.map((row) =>
    isNarrow
      ? text(row, plain(row.name), { y: row.top - 8, xanchor: "left", xshift: 8 - margin })
      : text(row, plain(row.name), { y: row.middle, xanchor: "right", xshift: -6 }),
  );
  const notes = rows
    .filter((row) => row.note)
    .map((row) => {
      const words = row.isMissing ? "<b>missing</b>" : row.note;
      return text(row, words, { y: row.middle, xanchor: "left", xshift: 2 });
    });
  return [...names, ...notes];
}

function procedureLayout(run, lasts, most, places, unit) {
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
    bgcolor: themed("paper"),
    font: { size: 11 },
  });
  const legend =
    `<span style="color:${run.colour}">reported, 80 % interval</span>, ` + `<span style="color:${themed("faint")}">true</span>`;
  return layout(procedureHeight(places), {
    barmode: "overlay",
    bargap: 0,
    hoverdistance: 12,
    margin: { l: margin, r: 12, t: 8, b: FOOT },
    xaxis: axis(unit.name, { range: [0, lasts], anchor: "y3", showgrid: true, automargin: false }),
    yaxis: axis(`${isNarrow ? unit.short : unit.name} left`, {
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
