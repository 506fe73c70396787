// Alarms of a procedure: their marks over the strip of labels, and the list of what each is about.

// Of an alarm that is right, that is false, and of one in a video without annotated mistakes.
const VERDICTS = {
  right: { colour: "#00704f", fill: "#00704f", text: "#fff", symbol: "circle" },
  false: { colour: "#b3261e", fill: "#fff", text: "#b3261e", symbol: "circle" },
  unknown: { colour: "#555", fill: "#eee", text: "#222", symbol: "square" },
};
const LANE = 17;

const verdictOf = (isRight) => (known(isRight) ? (isRight ? "right" : "false") : "unknown");
const stepName = (group, label, length = 60) => `${label} ${short(group.class_names[label], length)}`;

// The alarms of a run's video, numbered in the order of their frames.
function alarmsOf(procedure) {
  return procedure.alarms.map(([reason, label, frame, confidence, isRight], index) => ({
    number: index + 1,
    reason,
    label,
    frame,
    confidence,
    verdict: verdictOf(isRight),
  }));
}

const alarmText = (group, alarm, length) =>
  `${atTime(group, alarm.frame)} ${alarm.reason}: ${stepName(group, alarm.label, length)}, ` +
  `${alarm.reason === "taking too long" ? "score" : "probability"} ${alarm.confidence.toFixed(2)}` +
  (alarm.verdict === "unknown" ? "" : `, ${alarm.verdict}`);

// The lane of each alarm, so that marks of one lane are at least `apart` frames from each other.
function lanesOf(alarms, apart) {
  const ends = [];
  return alarms.map(({ frame }) => {
    const free = ends.findIndex((end) => end <= frame),
      lane = free < 0 ? ends.length : free;
    ends[lane] = frame + apart;
    return lane;
  });
}

// Numbered marks of alarms at these places of the vertical axis; on the horizontal axis, a unit has so many frames.
function alarmMarks(group, alarms, places, unit) {
  const looks = alarms.map((alarm) => VERDICTS[alarm.verdict]);
  return {
    type: "scatter",
    mode: "markers+text",
    yaxis: "y3",
    x: alarms.map((alarm) => alarm.frame / unit),
    y: places,
    text: alarms.map((alarm) => String(alarm.number)),
    textfont: { size: 9, color: looks.map((look) => look.text) },
    cliponaxis: false,
    marker: {
      size: 15,
      symbol: looks.map((look) => look.symbol),
      color: looks.map((look) => look.fill),
      line: { width: 1.5, color: looks.map((look) => look.colour) },
    },
    hovertext: alarms.map((alarm) => plain(alarmText(group, alarm, 60))),
    hovertemplate: "%{hovertext}<extra></extra>",
  };
}

// The list of all alarms, and of what is annotated as wrong and had none.
function alarmList(group, truth, procedure) {
  const items = alarmsOf(procedure).map((alarm) => {
    const look = VERDICTS[alarm.verdict],
      mark = make("span", { className: "mark" }, String(alarm.number)),
      found = truth.mistakes.filter(([label]) => label === alarm.label).map(([, , ...words]) => words);
    mark.style.cssText = `color:${look.text};background:${look.fill};border-color:${look.colour}`;
    if (alarm.verdict === "unknown") mark.style.borderRadius = "0";
    const words = found.map((parts) => parts.filter(Boolean).join(": ")).join("; "),
      annotated = words ? [make("small", {}, `annotated: ${words}`)] : [];
    return make("li", {}, mark, alarmText(group, alarm, 200), ...annotated);
  });
  const unnoticed = procedure.unnoticed.map(([reason, label]) => `${reason}: ${stepName(group, label, 200)}`);
  return [
    make("ol", { className: "alarms" }, ...items),
    ...(unnoticed.length ? [make("p", {}, `Mistakes without an alarm: ${unnoticed.join("; ")}.`)] : []),
  ];
}

function alarmCounts(procedure) {
  const alarms = alarmsOf(procedure),
    count = (verdict) => alarms.filter((alarm) => alarm.verdict === verdict).length;
  if (!alarms.length) return "no alarm";
  const verdicts = count("unknown") ? "mistakes are not annotated" : `${count("right")} right, ${count("false")} false`;
  return `${counted(alarms, "alarm")} (${verdicts})`;
}
