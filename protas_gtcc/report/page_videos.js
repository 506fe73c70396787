// Test videos: bars of true and predicted segments over curves of true and reported progress.

const NONE = 65535,
  BAR = 24,
  BAR_WIDTH = 0.86,
  CURVES = 210;

// Values of every frame from base64 of little-endian uint16 in steps of 1 / scale; null where there is none.
function unpack(text, scale) {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0)),
    view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 2 }, (_, index) => {
    const value = view.getUint16(2 * index, true);
    return value === NONE ? null : value / scale;
  });
}

// [start, end, class id] of every segment, from the flat list of lengths and ids.
function segmentsOf(flat) {
  const found = [];
  for (let index = 0, start = 0; index < flat.length; index += 2) {
    found.push([start, start + flat[index], flat[index + 1]]);
    start += flat[index];
  }
  return found;
}

const labelsOf = (segments) => segments.flatMap(([start, end, label]) => Array(end - start).fill(label));
const targetsOf = (segments, background) =>
  segments.flatMap(([start, end, label]) =>
    Array.from({ length: end - start }, (_, index) => (background.has(label) ? 0 : (index + 1) / (end - start))),
  );

// A trace of bars from frame to frame; on the horizontal axis, a unit has so many frames.
const barTrace = (segments, middle, width, colours, unit) => ({
  type: "bar",
  orientation: "h",
  yaxis: "y",
  base: segments.map(([start]) => start / unit),
  x: segments.map(([start, end]) => (end - start) / unit),
  y: segments.map(() => middle),
  width,
  hoverinfo: "skip",
  cliponaxis: true,
  // An edge of its own colour keeps a one-frame segment of a long video visible.
  marker: { color: colours, line: { width: 0.6, color: colours } },
});

// Bars of segments at a place of the vertical axis, in the colours of their classes, numbered.
function filledBars(group, segments, place, unit) {
  const looks = segments.map(([, , label]) => group.looks[label]),
    numbers = segments.map(([, , label], index) => [group.background.includes(label) ? "" : String(label), looks[index][2]]);
  return { ...barTrace(segments, place, BAR_WIDTH, looks.map(([fill]) => fill), unit), meta: { numbers } };
}

// The same, with the stripes of the classes that have one.
function bars(group, segments, place, unit) {
  const striped = segments.filter(([, , label]) => group.looks[label][1]),
    colours = striped.map(([, , label]) => group.looks[label][1]),
    filled = filledBars(group, segments, place, unit);
  if (!striped.length) return [filled];
  return [filled, barTrace(striped, place + 0.33 * BAR_WIDTH, 0.14 * BAR_WIDTH, colours, unit)];
}

// A run's line of the hover box at every frame: class, then its values, such as reported progress.
function hoverTexts(group, labels, frames) {
  const names = group.class_names.map((name) => plain(short(name, hoverLetters())));
  const values = Object.entries(DATA.frame_values)
    .filter(([name]) => frames[name])
    .map(([name, { scale, digits, text }]) =>
      unpack(frames[name], scale).map((value) => text.replace("#", known(value) ? value.toFixed(digits) : "–")),
    );
  const between = NARROW.matches ? "<br>" : ", ";
  return labels.map((label, frame) => [names[label], values.map((texts) => texts[frame]).join(", ")].filter(Boolean).join(between));
}

// A band between the ends of a run's interval of progress, if it is the only run shown: several bands would hide each
// other and the curves.
function intervalOf(run, frames, time, numRuns) {
  if (numRuns > 1 || !frames.progress_low || !frames.progress_high) return [];
  const [low, high] = ["progress_low", "progress_high"].map((name) =>
    unpack(frames[name], DATA.frame_values[name].scale),
  );
  const edge = { type: "scatter", mode: "lines", yaxis: "y2", x: time, hoverinfo: "skip", line: { width: 0, shape: "hv" } };
  return [
    { ...edge, y: low },
    { ...edge, y: high, fill: "tonexty", fillcolor: run.colour + "22" },
  ];
}

function drawVideo(group, number) {
  const video = group.videos[number],
    truth = segmentsOf(video.segments),
    background = new Set(group.background),
    runs = shownRuns(group),
    unit = unitOfVideo(group, number);
  const labels = labelsOf(truth),
    targets = targetsOf(truth, background),
    time = labels.map((_, frame) => frame / unit.frames);
  const place = (frame) => `(${unit.seconds > 1 ? `${atTime(group, frame)}, ` : ""}frame ${frame})`,
    heads = labels.map(
      (label, frame) => `${plain(short(group.class_names[label], hoverLetters()))}, ${targets[frame].toFixed(2)} ${place(frame)}`,
    ),
    band = runs.flatMap((run) => intervalOf(run, run.videos[number].frames, time, runs.length));
  const traces = [
    ...bars(group, truth, 0, unit.frames),
    ...band,
    {
      type: "scatter",
      mode: "lines",
      yaxis: "y2",
      x: time,
      y: targets,
      name: "<b>true</b>",
      // Beside a band, which is an area, the truth is a line: two areas of grey could not be told apart.
      ...(band.length ? {} : { fill: "tozeroy", fillcolor: "rgba(150,150,150,.35)" }),
      line: band.length ? { color: themed("faint"), width: 2, shape: "hv" } : { color: themed("edge"), width: 0.8, shape: "hv" },
      text: heads,
      hovertemplate: "%{text}",
    },
  ];
  for (const [index, run] of runs.entries()) {
    const own = run.videos[number],
      segments = segmentsOf(own.segments);
    traces.push(...bars(group, segments, index + 1, unit.frames), {
      type: "scatter",
      mode: "lines",
      yaxis: "y2",
      x: time,
      // A run that reports no progress has a line in the hover box, but no curve.
      y: own.frames.reported ? unpack(own.frames.reported, DATA.frame_values.reported.scale) : time.map(() => 0),
      opacity: own.frames.reported ? 1 : 0,
      name: plain(short(run.name, hoverLetters())),
      line: { color: run.colour, width: 1.3, dash: run.dash, shape: "hv" },
      text: hoverTexts(group, labelsOf(segments), own.frames),
      hovertemplate: "%{text}",
    });
  }
  const drawn = videoLayout(group, video.num_frames / unit.frames, unit, runs);
  return [traces, { ...drawn, shapes: markOf(group, number, unit) }];
}

function videoLayout(group, lasts, unit, runs) {
  const height = videoHeight(group),
    inner = height - 50,
    split = CURVES / inner;
  const names = [
    "<b>true</b>",
    ...runs.map((run) => `<span style="color:${run.colour}">${plain(short(run.name, nameLetters()))}</span>`),
  ];
  return layout(height, {
    hovermode: "x unified",
    hoversubplots: "axis",
    hoverdistance: -1,
    barmode: "overlay",
    bargap: 0,
    dragmode: "zoom",
    margin: { l: labelWidth(group), r: 10, t: 4, b: 46 },
    xaxis: axis(unit.name, {
      range: [0, lasts],
      anchor: "y2",
      automargin: false,
      showspikes: true,
      spikemode: "across",
      spikethickness: 1,
      spikecolor: themed("text"),
      spikedash: "solid",
      spikesnap: "cursor",
      showgrid: false,
      unifiedhovertitle: { text: `%{x:.2f} ${unit.short}` },
    }),
    yaxis: axis("", {
      domain: [split + 0.03, 1],
      range: [runs.length + 0.5, -0.5],
      tickvals: names.map((_, index) => index),
      ticktext: names,
      showgrid: false,
      fixedrange: true,
      automargin: false,
      ...SPACED,
    }),
    yaxis2: axis("progress", {
      domain: [0, split],
      range: [-0.02, 1.04],
      dtick: 0.25,
      fixedrange: true,
      automargin: false,
    }),
  });
}

const videoHeight = (group) => 50 + CURVES + 14 + (shownRuns(group).length + 1) * BAR;
const hoverLetters = () => (NARROW.matches ? 18 : 40);
const nameLetters = () => (NARROW.matches ? 12 : 28);
const labelWidth = (group) =>
  Math.min(210, 24 + 6.4 * Math.max(8, ...group.runs.map((run) => Math.min(nameLetters(), run.name.length))));

// Figures of a video: those of few runs one by one, in the runs' colours; of many, the least and the largest.
function videoSummary(group, number) {
  const runs = shownRuns(group),
    video = group.videos[number],
    length = `${clock(video.num_frames / group.fps)}, ${video.num_frames} frames`;
  if (!runs.length) return [length];
  const each = (name, write) => {
    const values = runs.map((run) => run.videos[number][name]);
    if (runs.length > MANY_SPREADS) return [rangeOf(values.filter(known), write)];
    return values.flatMap((value, index) => {
      const written = make("strong", { title: runs[index].name }, write(value));
      written.style.color = runs[index].colour;
      return index ? [", ", written] : [written];
    });
  };
  return [`${length}; frames right, %: `, ...each("acc", percent), "; progress error: ", ...each("error", fraction), "; skill: ", ...each("skill", twoDigits)];
}

function rangeOf(values, write) {
  const ends = [Math.min(...values), Math.max(...values)].map(write);
  return values.length ? [...new Set(ends)].join(" to ") : "–";
}

function classList(group) {
  const ofRuns = group.runs.flatMap((run) => run.videos),
    nextSteps = ofRuns.flatMap((video) => (video.procedure ? [video.procedure.next] : [])), // some occur nowhere else
    flat = [...[...group.videos, ...ofRuns].map((video) => video.segments), ...nextSteps],
    occurring = new Set(flat.flatMap((one) => one.filter((_, index) => index % 2)));
  return make(
    "div",
    { className: "classes" },
    ...[...occurring]
      .sort((a, b) => a - b)
      .map((label) => {
        const swatch = make("span", { className: "swatch" }, String(label)),
          look = group.looks[label];
        swatch.style.background = ground(look);
        swatch.style.color = look[2];
        return make("span", { title: group.class_names[label] }, swatch, short(group.class_names[label], 44));
      }),
  );
}
