// Tables: scores with intervals, look-ups, the other figures of metrics.json, and facts about the runs.

function table(heads, rows) {
  // Where a figure has a definition, the pointer shows it.
  const cells = heads.map((text) => make("th", { title: DATA.meanings[text] ?? "" }, text));
  const head = make("thead", {}, make("tr", {}, ...cells));
  // It may be wider than the screen; by keyboard it scrolls if it can have the focus.
  return make("div", { className: "scroll", tabIndex: 0, role: "group", ariaLabel: "Table" }, make("table", {}, head, make("tbody", {}, ...rows)));
}

// What the heads of a table mean, for those who have no pointer.
function meanings(heads) {
  const found = [...new Set(heads)].filter((text) => DATA.meanings[text]);
  if (!found.length) return [];
  const list = make("dl", {}, ...found.flatMap((text) => [make("dt", {}, text), make("dd", {}, DATA.meanings[text])]));
  return [make("details", { className: "meanings" }, make("summary", {}, "What the figures mean"), list)];
}
const row = (cells, className = "") => make("tr", { className }, ...cells);
const cell = (...content) => make("td", {}, ...content);
const nameCell = (run) => {
  const line = runLine(run);
  line.style.cssText += "display:inline-block;vertical-align:middle;margin-right:.4rem";
  return cell(line, run.name);
};
const figureCell = (value, interval, write) => cell(write(value), make("small", {}, bracketed(interval, write)));
const nothing = () => make("div", { className: "none" }, "Choose a run above.");

// A run's progress error above that of the best look-up; green where the interval of its margin is above 0.
function progressCell(run, average) {
  const { progress, intervals } = run.metrics,
    own = progress.predicted,
    lookup = bestLookup(run, average);
  const value = own ? own[average] : null,
    bar = lookup ? lookup[average] : null;
  const margin = intervals.margin?.predicted?.[average]?.error;
  const isBelow = known(margin) && margin[0] > 0;
  return cell(
    make("span", { className: isBelow ? "below" : "" }, fraction(value)),
    make("small", {}, bracketed(own && intervals.progress.predicted[average], fraction)),
    make("small", { className: "lookup" }, lookup ? `${fraction(bar)} ${inWords(run.best[average])}` : ""),
  );
}

function scoreRows(runs) {
  return runs.map((run) =>
    row([
      nameCell(run),
      ...Object.entries(run.metrics.segmentation).map(([name, value]) =>
        figureCell(value, run.metrics.intervals.segmentation[name], percent),
      ),
      ...AVERAGES.map((average) => progressCell(run, average)),
    ]),
  );
}

function scoreHeads(runs) {
  const names = Object.keys(runs[0].metrics.segmentation).map((name) => inWords(name));
  return ["run", ...names, ...AVERAGES.map((average) => `error, ${inWords(average)}`)];
}

// The figures that come first, as they are written on the screen.
function rulerRows(runs) {
  return runs.map((run) =>
    row([
      nameCell(run),
      ...Object.entries(run.ruler).map(([label, [figure, interval]]) => {
        const made = cell(figure, make("small", {}, interval));
        if (label === "skill") made.className = "best";
        return made;
      }),
    ]),
  );
}

const rulerHeads = (runs) => ["run", ...Object.keys(runs[0].ruler)];
const verdicts = (runs) => runs.map((run) => make("p", {}, make("strong", {}, run.name), `: ${run.verdict}`));

function overview(groups) {
  const heads = rulerHeads(groups[0].runs);
  const rows = groups.flatMap((group) => [
    row([make("td", { colSpan: heads.length }, titleOf(group))], "part"),
    ...rulerRows(group.runs),
  ]);
  return make("details", { open: true }, make("summary", {}, "All runs"), table(heads, rows));
}

const RULER_TEXT =
  "Skill is 0 for the best constant and 1 for the best look-up that is given the class and the start of every " +
  "action; its errors are over all frames, with true progress 0 in the background. 95 % intervals are over people " +
  "where all are known, else over videos.";
const SCORES_TEXT =
  "Segmentation in percent, progress error as a fraction: mean |reported - true| over frames of actions (macro: " +
  "mean over classes; frame, video, segment: each counts once), or over all frames. In brackets: 95 % intervals. " +
  "Below each error: the best look-up predictor, which sees no features and is given the run's own predicted " +
  "segments. Green: the error is below the look-up's, and the 95 % interval of the margin excludes 0. This margin is " +
  "a diagnostic: the look-up improves with the run's own segments.";

function scores(group) {
  const average = chooser(
    group,
    "Figure",
    [...AVERAGES, "skill", "r2"].map((name) => [name, inWords(name)]),
    (name) => {
      group.average = name;
    },
  );
  const lookups = make(
    "details",
    {},
    make("summary", {}, "All look-up predictors"),
    average,
    remade(group, () => lookupTable(group)),
    ...meanings(group.runs.flatMap((run) => Object.keys(run.metrics.baselines).map(inWords))),
  );
  return [
    section(
      "Skill, and the figures beside it",
      RULER_TEXT,
      remade(group, () => {
        const runs = shownRuns(group);
        return runs.length ? [table(rulerHeads(group.runs), rulerRows(runs)), ...verdicts(runs)] : nothing();
      }),
      ...meanings(rulerHeads(group.runs)),
    ),
    section(
      "Scores",
      SCORES_TEXT,
      remade(group, () =>
        shownRuns(group).length ? table(scoreHeads(group.runs), scoreRows(shownRuns(group))) : nothing(),
      ),
      ...meanings(scoreHeads(group.runs)),
      scorePlots(group),
      lookups,
    ),
  ];
}

function lookupTable(group) {
  const runs = shownRuns(group),
    average = group.average;
  if (!runs.length) return nothing();
  const line = (text, figures, isBest) =>
    row([
      cell(text),
      ...runs.map((run) => {
        const [value, interval] = figures(run),
          made = figureCell(value, interval, fraction);
        if (isBest && isBest(run)) made.className = "best";
        return made;
      }),
    ]);
  const own = (which) => (run) => {
    const { progress, intervals } = run.metrics;
    return progress[which] ? [progress[which][average], intervals.progress[which][average]] : [];
  };
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.metrics.baselines)))];
  const lookups = (segments) =>
    names.map((name) =>
      line(
        inWords(name),
        (run) => {
          const figures = run.metrics.baselines[name],
            intervals = run.metrics.intervals.baselines[name];
          return figures ? [figures[segments][average], intervals && intervals[segments][average]] : [];
        },
        (run) => segments === "predicted_segments" && run.best[average] === name,
      ),
    );
  const part = (text) => row([make("td", { colSpan: runs.length + 1 }, text)], "part");
  return table(
    [inWords(average), ...runs.map((run) => run.name)],
    [
      line("run, predicted class", own("predicted")),
      line("run, given the true class", own("oracle")),
      part("look-ups on the run's predicted segments (best in bold)"),
      ...lookups("predicted_segments"),
      part("look-ups on the true segments"),
      ...lookups("oracle_segments"),
    ],
  );
}

// A note without the entries of metrics.json that it names at its end for programs.
const withoutEntries = (note) => note.replace(/ \[null: .*\]$/, "");

function about(group) {
  const rows = group.runs.map((run) => {
    const { feature_set: features, seed, versions, notes } = run.metrics;
    const software = Object.entries(versions || {})
      .map(([name, version]) => `${name} ${version}`)
      .join(", ");
    const text = (value) => make("td", { className: "text" }, known(value) ? String(value) : "–");
    return row([
      nameCell(run),
      text(run.path),
      text(features),
      text(seed),
      text(software),
      text((notes || []).map(withoutEntries).join("; ") || null),
    ]);
  });
  const made = table(["run", "folder", "features", "seed", "versions", "notes"], rows);
  made.classList.add("about");
  return [section("The runs", "", made)];
}
