// How far what is reported of procedures can be trusted: the time left, the list of done steps, and alarms.

const TENTHS = Array.from({ length: 10 }, (_, index) => index);
const tenthName = (index) => `${10 * index} to ${10 * (index + 1)} %`;
const PROMISED = 0.8;
const asPercent = (value) => (known(value) ? `${percent(100 * value)} %` : "–");
const wholes = (value) => (known(value) ? String(Math.round(value)) : "–");
const twoDigits = (value) => (known(value) ? value.toFixed(2) : "–");

const FOLLOWED_TEXT =
  "Over the test videos of each run; lines are 95 % intervals. Counts have none, but the shares of them have. Time left: its mean error in each tenth of the procedure " +
  "(grey: the look-up that is given the true steps so far), and the share of frames whose 80 % interval has the true " +
  "time left (dotted: the promised 80 %). Done: of all steps and frames for which such a probability was reported, the " +
  "share that was done (dotted: as reported). Alarms, of videos with annotated mistakes: a confidence is that of the " +
  "first frame of an alarm, and below its threshold a run raises none.";

function procedureReliability(group) {
  const following = group.runs.filter((run) => run.calibration),
    shown = () => following.filter((run) => run.shown),
    scored = () => shown().filter((run) => run.metrics.procedure);
  if (!following.length) return [];
  const plot = (title, draw) => make("div", {}, make("h3", {}, title), addPlot(group, () => 300, () => draw(shown())));
  return [
    section(
      "Reliability of procedures",
      FOLLOWED_TEXT,
      make(
        "div",
        { className: "pair" },
        ...(following.some((run) => run.metrics.procedure) ? [plot("Time left, mean error", leftErrors)] : []),
        plot("Time left, how often its interval is right", leftCoverage),
        plot("Done list, how often a step is done", doneReliability),
        ...(following.some((run) => run.calibration.alarms.length) ? [plot("Alarms by their confidence", alarmCurves)] : []),
      ),
      make("h3", {}, "The done list against the truth"),
      remade(group, () => (scored().length ? doneTable(scored()) : nothing())),
      ...meanings(DONE_COLUMNS.map(([head]) => head)),
      make("h3", {}, "Alarms: how many are right"),
      ...following.flatMap((run) => alarmNotes(run)),
      remade(group, () => (scored().length ? alarmTable(scored()) : nothing())),
      ...(following.some((run) => run.budgets) ? [otherBudgets(group, shown)] : []),
    ),
  ];
}

// Figures of runs over tenths, each run a little beside the others.
function tenthTraces(runs, figures, what, write) {
  return runs.map((run, index) => {
    const { values, intervals, at = TENTHS.map((one) => one / 10 + 0.05 + offset(index, runs.length) * 0.06) } = figures(run);
    return {
      type: "scatter",
      mode: "lines+markers",
      x: at,
      y: values,
      text: TENTHS.map((tenth) => hoverText(run, what(run, tenth), values[tenth], intervals[tenth], write)),
      hovertemplate: "%{text}<extra></extra>",
      line: { color: run.colour, width: 1.6, dash: run.dash },
      marker: { color: run.colour, symbol: run.symbol, size: 7 },
      ...(runs.length <= MANY_SPREADS ? spread(values, intervals, run.colour, "error_y") : {}),
    };
  });
}

const overProcedure = () =>
  axis("part of the procedure's time that is over", { range: [0, 1.01], dtick: 0.2, tickformat: ".0%", ...SPACED });
const shareAxis = (title) => axis(title, { range: [-0.02, 1.02], dtick: 0.2, tickformat: ".0%" });

function leftErrors(following) {
  const runs = following.filter((run) => run.metrics.procedure),
    minutes = (tree) => TENTHS.map((one) => tree?.[`${(one / 10).toFixed(1)}-${((one + 1) / 10).toFixed(1)}`]?.error_minutes ?? null),
    own = (run) => minutes(run.metrics.procedure.time_left.tenth),
    lookupMinutes = runs[0] ? minutes(runs[0].metrics.procedure.lookups?.after_last_step?.time_left.tenth) : [],
    unit = unitOf(60 * Math.max(0, ...lookupMinutes, ...runs.flatMap(own))),
    inUnit = (value) => (known(value) ? (60 * value) / unit.seconds : null),
    lookup = lookupMinutes.map(inUnit),
    of = (run) => ({
      values: own(run).map(inUnit),
      intervals: minutes(run.metrics.intervals.procedure?.time_left?.tenth).map((bounds) => bounds?.map(inUnit)),
    });
  const grey = {
    type: "scatter",
    mode: "lines",
    x: TENTHS.map((one) => one / 10 + 0.05),
    y: lookup,
    hovertemplate: `look-up, given the true steps: %{y:.2f} ${unit.short}<extra></extra>`,
    line: { color: themed("faint"), width: 2 },
  };
  return [
    [...(lookup.some(known) ? [grey] : []), ...tenthTraces(runs, of, (_, tenth) => `${tenthName(tenth)} is over, ${unit.name}`, twoDigits)],
    layout(300, { xaxis: overProcedure(), yaxis: axis(`mean error, ${unit.name}`, { rangemode: "tozero" }) }),
  ];
}

function leftCoverage(runs) {
  const of = (run) => ({ values: run.calibration.left.share, intervals: run.calibration.left.interval }),
    promise = { ...DIAGONAL, y: [PROMISED, PROMISED] };
  return [
    [promise, ...tenthTraces(runs, of, (_, tenth) => `${tenthName(tenth)} is over, inside the interval`, asPercent)],
    layout(300, { xaxis: overProcedure(), yaxis: shareAxis("frames inside") }),
  ];
}

function doneReliability(runs) {
  const of = (run) => {
    const { share, interval, reported } = run.calibration.done;
    return { values: share, intervals: interval, at: reported };
  };
  const what = (run, tenth) => {
    const { num, reported } = run.calibration.done;
    return `reported as done at ${asPercent(reported[tenth])} (${num[tenth].toLocaleString("en")} frames of steps), truly done`;
  };
  return [
    [DIAGONAL, ...tenthTraces(runs, of, what, asPercent)],
    layout(300, {
      xaxis: axis("reported probability that a step is done", { range: [-0.02, 1.02], dtick: 0.2, tickformat: ".0%" }),
      yaxis: shareAxis("truly done"),
    }),
  ];
}

// How many of the alarms with at least such a confidence are right and how many are false.
function alarmCurves(runs) {
  const traces = runs.flatMap((run) => {
    const alarms = [...run.calibration.alarms].sort((one, other) => one[1] - other[1]),
      levels = [...new Set(alarms.map(([, confidence]) => confidence))];
    return [
      [true, "right", "solid"],
      [false, "false", "dot"],
    ].map(([isRight, word, dash]) => ({
      type: "scatter",
      mode: "lines+markers",
      x: [...levels, 1],
      y: [...levels, 1.01].map((level) => alarms.filter(([, confidence, own]) => own === isRight && confidence >= level).length),
      hovertemplate: `<b>${plain(run.name)}</b><br>%{y} ${word} with a confidence of at least %{x:.2f}<extra></extra>`,
      line: { color: run.colour, width: isRight ? 2.2 : 1.6, dash, shape: "vh" },
      marker: { color: run.colour, symbol: run.symbol, size: 5 },
    }));
  });
  const most = Math.max(...traces.map(({ y }) => y[0] ?? 0));
  return [
    traces,
    layout(300, {
      xaxis: axis("confidence, at least", { range: [0, 1.02], dtick: 0.2 }),
      yaxis: axis("alarms; solid: right, dotted: false", { rangemode: "tozero", dtick: most < 6 ? 1 : undefined }),
    }),
  ];
}

const DONE_COLUMNS = [
  ["completed steps", "num_completions", wholes],
  ["never reported", "num_never_reported", wholes],
  ["reported too early, or not done", "num_false", wholes],
  ["of the reported, right", "precision", asPercent],
  ["of the completed and not reported too early, reported", "recall", asPercent],
  ["delay, s", "delay_seconds", percent],
  ["order (POS)", "pos", twoDigits],
];

function doneTable(runs) {
  const rows = runs.map((run) => {
    const figures = run.metrics.procedure.done,
      intervals = run.metrics.intervals.procedure.done;
    return row([nameCell(run), ...DONE_COLUMNS.map(([, name, write]) => figureCell(figures[name], intervals?.[name], write))]);
  });
  return table(["run", ...DONE_COLUMNS.map(([head]) => head)], rows);
}

const ALARM_COLUMNS = [
  ["wrong steps", "num_wrong", wholes],
  ["alarms that are right", "num_hits", wholes],
  ["false alarms", "num_false", wholes],
  ["of the alarms, right", "precision", asPercent],
  ["of the wrong steps, named", "recall", asPercent],
  ["false alarms an hour", "false_per_hour", twoDigits],
];

const alarmFigures = (own, intervals) =>
  ALARM_COLUMNS.map(([, name, write]) => figureCell(own[name], intervals?.[name], write));
const alarmHeads = (...more) => ["reason", ...more, ...ALARM_COLUMNS.map(([head]) => head)];
const partRow = (text, heads) => row([make("td", { colSpan: heads.length }, text)], "part");

// A row for each reason of each run, at its own budget.
function alarmTable(runs) {
  const heads = alarmHeads(),
    raising = runs.filter((run) => run.metrics.procedure.alarms);
  const rows = raising.flatMap((run) => {
    const { alarms, budget_per_hour: budget } = run.metrics.procedure,
      intervals = run.metrics.intervals.procedure.alarms;
    return [
      partRow(`${run.name}: budget ${number(budget)} false alarms an hour`, heads),
      ...Object.entries(alarms).map(([reason, own]) => row([cell(reason), ...alarmFigures(own, intervals?.[reason])])),
    ];
  });
  return rows.length ? table(heads, rows) : [];
}

// The same at budgets that 'procedure' has scored, with the confidence that an alarm must be above.
function otherBudgets(group, shown) {
  const heads = alarmHeads("budget, an hour", "threshold"),
    tooFew = () => make("td", { colSpan: heads.length - 2, className: "text" }, "too few held-out recordings");
  const content = () => {
    const runs = shown().filter((run) => run.budgets);
    const rows = runs.flatMap((run) => [
      partRow(`${run.name}, the task ${run.budgets.task_given ? "given" : "inferred"}`, heads),
      ...run.budgets.alarms.map(([reason, budget, own]) =>
        row([
          cell(reason),
          cell(budget),
          ...(own ? [cell(twoDigits(own.threshold)), ...alarmFigures(own, own.intervals)] : [tooFew()]),
        ]),
      ),
    ]);
    return rows.length ? table(heads, rows) : nothing();
  };
  return make("details", {}, make("summary", {}, "At other budgets, with the threshold of each"), remade(group, content));
}

// Why a run raises no alarms, as its notes have it.
const noAlarms = (run) =>
  withoutEntries((run.metrics.notes ?? []).find((note) => note.startsWith("no alarms are raised")) ?? "no alarms are raised");

// What a reader has to know before the table of alarms means anything.
function alarmNotes(run) {
  const { procedure } = run.metrics,
    notes = [];
  if (procedure && !procedure.alarms) notes.push(noAlarms(run));
  if (!procedure) notes.push("its procedures are not scored; only what its predictions show is here");
  if (procedure?.alarms && !run.calibration.is_annotated) notes.push("mistakes are not annotated, so every alarm counts as false");
  if (!run.budgets) notes.push("to see other budgets here, run protas-gtcc procedure DATASET --model RUN --out RUN/procedure, then report");
  return notes.length ? [make("p", {}, make("strong", {}, run.name), `: ${notes.join("; ")}.`)] : [];
}
