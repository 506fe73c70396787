// Classes: a plot and a table, which can be put in order and searched.

// Ways to put the classes in order; the first direction is the usual one.
const CLASS_ORDERS = {
  error: "progress error, largest first",
  name: "name",
  frames: "frames, most first",
  right: "frames right, fewest first",
  f1: "F1 of frames, lowest first",
  start: "start of segments, latest first",
  end: "end of segments, latest first",
  length: "length of segments, too short first",
  missed: "segments missed, most first",
  stretch: "longest wrong stretch, longest first",
};
const RISING = ["name", "right", "f1", "length"];
const [FIRST_CLASSES, LEAST_ROWS] = [30, 7];

// By name of a class: frames, percent of them that are right, F1 of frames in percent, progress error, `foundFigures` of
// its segments, and the intervals of those that have one.
function classFigures(group, run) {
  if (run.classFigures) return run.classFigures;
  const own = run.metrics.progress.predicted?.per_class,
    intervals = run.metrics.intervals.progress.predicted?.per_class,
    taken = group.class_names.map((_, id) => run.confusion.reduce((sum, row) => sum + row[id], 0));
  run.classFigures = new Map(
    group.class_names.map((name, id) => {
      const right = run.confusion[id][id],
        frames = run.confusion[id].reduce((a, b) => a + b, 0);
      const figures = {
        frames,
        right: frames ? (100 * right) / frames : null,
        f1: frames + taken[id] ? (200 * right) / (frames + taken[id]) : null,
        error: own?.[name] ?? null,
        intervals: {
          error: intervals?.[name] ?? null,
          ...Object.fromEntries(Object.entries(run.class_intervals).map(([key, ofIds]) => [key, ofIds[id]])),
        },
        ...foundFigures(run.found[id]),
        stretch: worstPlaces(group, run).get(id)?.seconds ?? null,
      };
      return [name, figures];
    }),
  );
  return run.classFigures;
}

// Of what the order is, where runs may differ in it.
function orderOf(group, { key, run }) {
  const shown = shownRuns(group);
  if (["name", "frames"].includes(key) || shown.length < 2) return "";
  return shown.includes(run) ? `of ${run.name}` : `by the mean of the ${shown.length} runs shown`;
}

// Names of the classes that are found, in order. `view` is { key, run, isReversed, wanted, isWhole }.
function classesInOrder(group, view) {
  const runs = shownRuns(group).length ? shownRuns(group) : group.runs,
    chosen = runs.includes(view.run) ? [view.run] : runs,
    wanted = view.wanted.toLowerCase(),
    names = group.actions.filter((name) => name.toLowerCase().includes(wanted));
  const mean = (name) => {
    const found = chosen.map((run) => classFigures(group, run).get(name)[view.key]).filter(known);
    return found.length ? found.reduce((a, b) => a + b, 0) / found.length : null;
  };
  const value = new Map(view.key === "name" ? [] : names.map((name) => [name, mean(name)])),
    sign = RISING.includes(view.key) === view.isReversed ? -1 : 1;
  return names.sort(
    (one, other) =>
      byFigure(value.get(one), value.get(other), sign) ||
      (view.key === "name" ? sign : 1) * compareNames(one, other),
  );
}

function classes(group) {
  group.actions = [...new Set(group.runs.flatMap((run) => Object.keys(anyFigures(run).per_class)))];
  const view = { key: "error", run: null, isReversed: false, wanted: "", isWhole: group.actions.length <= FIRST_CLASSES };
  const shown = () => {
    const names = classesInOrder(group, view);
    return view.isWhole ? names : names.slice(0, FIRST_CLASSES);
  };
  // With fewer rows, plotly would leave out a hover box that is higher than the plot.
  const places = (names) => Math.max(names.length, LEAST_ROWS);
  const height = () => 70 + places(shown()) * rowHeight(shownRuns(group).length);
  const draw = () => {
    const names = shown(),
      runs = shownRuns(group);
    // Margins that plotly finds by itself cost a second drawing.
    const isNarrow = NARROW.matches,
      fixed = { automargin: false, ...(isNarrow ? { nticks: 3 } : {}) };
    return [
      runs.flatMap((run, index) => classTraces(group, run, index, runs.length, names)),
      layout(height(), {
        margin: { l: isNarrow ? 110 : 210, r: 16, t: 12, b: 44 },
        xaxis: axis(isNarrow ? "error" : "progress error, mean |reported - true|", {
          ...{ rangemode: "tozero", domain: [0, 0.48] },
          ...fixed,
        }),
        xaxis2: axis(isNarrow ? "frames right, %" : "frames of the class that are predicted correctly, percent", {
          ...{ range: isNarrow ? [-6, 106] : [-2, 102], domain: [0.53, 1] },
          ...fixed,
        }),
        yaxis: { ...rowAxis(names, isNarrow ? 15 : 30), range: [places(names) - 0.5, -0.5], automargin: false },
        shapes: bands(names.length),
      }),
    ];
  };
  const box = addPlot(group, height, draw),
    rows = make("details", {}, make("summary", {}, "As a table")),
    words = make("details", {}, make("summary", {}, "In words: late or early, too short or too long, missed")),
    tools = classTools(group, view, () => {
      redraw(box);
      remakeTable();
      remakeWords();
    });
  const remakeTable = () => {
    if (!rows.open) return;
    const kept = rows.contains(document.activeElement) && document.activeElement.dataset.column;
    rows.replaceChildren(rows.firstChild, classTable(group, view, shown(), tools.arrange));
    if (kept) rows.querySelector(`[data-column="${kept}"]`)?.focus();
  };
  const remakeWords = () => {
    if (words.open) words.replaceChildren(words.firstChild, ...(shownRuns(group).length ? foundList(group, shown()) : [nothing()]));
  };
  rows.ontoggle = remakeTable;
  words.ontoggle = remakeWords;
  group.parts.push(
    { place: tools.place, remake: tools.count },
    { place: rows, remake: remakeTable },
    { place: words, remake: remakeWords },
  );
  return [
    section(
      "Classes",
      "Actions that occur in the test videos. Lines: 95 % intervals (none of medians, at 0 and 100 %, and for a class of one person). Grey bars: the " +
        `look-up with the least error over all classes, on the run's predicted segments. ${FOUND_TEXT} ${WRONG_TEXT}`,
      remade(group, () => shownRuns(group).flatMap((run) => [worstClass(group, run), worstPlace(group, run)])),
      tools.place,
      box,
      rows,
      words,
    ),
  ];
}

// What orders and finds classes; `arranged` is called when the view is another one.
function classTools(group, view, arranged) {
  const order = make("select", {}, ...Object.entries(CLASS_ORDERS).map(([value, name]) => new Option(name, value))),
    reverse = make("button", { ariaPressed: "false" }, "reverse"),
    wanted = make("input", { type: "search", placeholder: "part of a name" }),
    whole = make("button", {}),
    means = make("span", { className: "found" }),
    found = make("span", { className: "found", role: "status" });
  const count = () => {
    const number = classesInOrder(group, view).length,
      all = group.actions.length,
      seen = view.isWhole ? number : Math.min(number, FIRST_CLASSES);
    means.textContent = orderOf(group, view);
    found.textContent = seen < all ? `${seen} of ${all} classes` : "";
    whole.hidden = number <= FIRST_CLASSES;
    whole.textContent = view.isWhole ? `show the first ${FIRST_CLASSES}` : `show all ${number}`;
  };
  const change = (changes) => {
    Object.assign(view, changes);
    order.value = view.key;
    reverse.setAttribute("aria-pressed", view.isReversed);
    count();
    arranged();
  };
  // A column again is the other direction.
  const arrange = (key, run) =>
    change({ key, run, isReversed: view.key === key && view.run === run ? !view.isReversed : false });
  order.onchange = () => change({ key: order.value, run: null, isReversed: false });
  reverse.onclick = () => change({ isReversed: !view.isReversed });
  wanted.oninput = () => change({ wanted: wanted.value });
  whole.onclick = () => change({ isWhole: !view.isWhole });
  count();
  const place = make("div", { className: "tools" }, make("label", {}, "Order ", order), means, reverse, make("label", {}, "Find ", wanted), whole, found);
  return { place, count, arrange };
}

// The figures of a class in the table, by the key that puts the classes in order.
const CLASS_FIGURES = [
  ["error", "error", fraction],
  ["right", "frames right, %", percent],
  ["f1", "F1 of frames, %", percent],
  ["start", "start late by, s", signed],
  ["end", "end late by, s", signed],
  ["length", "too long by, s", signed],
  ["missed", "missed, %", percent],
  ["stretch", "longest wrong stretch", null],
];

// A row for each class, with columns that put the classes in order.
function classTable(group, view, names, arrange) {
  const runs = shownRuns(group),
    figures = CLASS_FIGURES;
  const columns = [["class", "name", null], ["frames", "frames", null]].concat(
    runs.flatMap((run) => figures.map(([key, head]) => [head, key, run])),
  );
  const heads = columns.map(([text, key, run], index) => {
    const isChosen = view.key === key && view.run === run,
      isRising = RISING.includes(key) !== view.isReversed,
      button = make("button", { onclick: () => arrange(key, run) }, text + (isChosen ? (isRising ? " ▲" : " ▼") : ""));
    button.dataset.column = index;
    const head = make("th", { scope: "col", className: key === figures[0][0] ? "first" : "" }, button);
    if (isChosen) head.setAttribute("aria-sort", isRising ? "ascending" : "descending");
    return head;
  });
  const first = classFigures(group, runs[0] ?? group.runs[0]);
  const rows = names.map((name) =>
    row([
      cell(name),
      cell(String(first.get(name).frames)),
      ...runs.flatMap((run) => {
        const own = classFigures(group, run).get(name);
        return figures.map(([key, , write], index) =>
          write
            ? Object.assign(figureCell(own[key], own.intervals[key], write), { className: index ? "" : "first" })
            : cell(...placeLink(group, run, worstPlaces(group, run).get(group.class_names.indexOf(name)), true)),
        );
      }),
    ]),
  );
  const words = [CLASS_ORDERS[view.key], view.isReversed ? "reversed" : "", orderOf(group, view)],
    order = `In order: ${words.filter(Boolean).join(", ")}`,
    made = table([], rows),
    head = made.querySelector("thead");
  made.querySelector("table").className = "sorted";
  head.replaceChildren(
    row([make("td", { colSpan: 2 }, make("small", {}, order)), ...runs.map((run) => make("th", { colSpan: figures.length, scope: "colgroup" }, run.name))]),
    make("tr", {}, ...heads),
  );
  return made;
}

// Errors by class of a run. A run that reports no progress gets those of a look-up, only for their class names.
const anyFigures = (run) => run.metrics.progress.predicted || bestLookup(run, "macro") || { per_class: {} };

function classTraces(group, run, index, count, names) {
  const own = run.metrics.progress.predicted,
    found = names.map((name) => classFigures(group, run).get(name)),
    [intervals, ofRight] = ["error", "right"].map((key) => found.map((one) => one.intervals[key]));
  const values = names.map((name) => (own ? own.per_class[name] : null)),
    lookup = bestLookup(run, "macro"),
    bars = names.map((name) => (lookup ? lookup.per_class[name] : null));
  const right = found.map((one) => one.right),
    ways = names.map((name) => [`<br>Its ${foundLead(group, run, name)}`, ...foundParts(group, run, name, 40).map(wrapped)].join("<br>"));
  return [
    lookupBars(
      index,
      count,
      bars,
      names.map((name, i) => hoverText(run, `${name}, best look-up (${inWords(run.best.macro)})`, bars[i], null, fraction)),
    ),
    markers(
      run,
      index,
      count,
      values,
      intervals,
      names.map((name, i) => hoverText(run, name, values[i], intervals[i], fraction) + ways[i]),
    ),
    markers(
      run,
      index,
      count,
      right,
      ofRight,
      names.map((name, i) => hoverText(run, `${name}, of ${found[i].frames} frames right, %`, right[i], ofRight[i], percent) + ways[i]),
      { xaxis: "x2" },
    ),
  ];
}
