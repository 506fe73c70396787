// The procedure of one person: time left, the list of its steps, and the alarms.

const procedure = (() => {
  let events, listed, rows, scrolled;

  const item = (...texts) => element("li", "", ...texts.map((text) => element("span", "", text)));

  // The class ids of the steps of the likeliest task; null while no task is more likely than all others together.
  function steps(now) {
    if (now.task === undefined) return facts.task_steps[0] ?? [];
    return now.task_probability > 0.5 ? facts.task_steps[facts.tasks.indexOf(now.task)] : null;
  }

  // The mark, the class and the note of a step.
  function state(label, now, idle, done) {
    if (!idle && label === now.label) return ["▶", "now", "now" + (done.has(label) ? ", again" : "")];
    const ended = events.get("done " + label);
    if (done.has(label)) return ["✓", "done", ended ? "done " + when(ended.frame) : "done"];
    if (events.has("missing " + label)) return ["!", "missing", "missing"];
    if (facts.class_names[label] === now.procedure.next)
      return ["→", "next", "next, " + percent(now.procedure.next_probability)];
    return ["○", "", ""];
  }

  function count(now, own, done) {
    const likelihood = own ? "" : percent(now.task_probability);
    if (!own) return `Which task this is, is not clear yet; ${now.task} is the likeliest (${likelihood}).`;
    const task = now.task === undefined ? "" : `, ${now.task} (${now.task_given ? "given" : "inferred"})`;
    return `${own.filter((label) => done.has(label)).length} of ${own.length} steps done${task}`;
  }

  function list(now, idle) {
    const own = steps(now),
      done = new Set(now.procedure.done);
    if (String(own) !== listed) {
      [listed, scrolled] = [String(own), null];
      rows = new Map((own ?? []).map((label) => [label, item("", facts.class_names[label], "")]));
      at("steps").replaceChildren(...rows.values());
      at("steps").hidden = !own;
    }
    write("counted", count(now, own, done));
    const found = {};
    for (const [label, row] of rows) {
      const [mark, kind, note] = state(label, now, idle, done);
      put(row, "className", kind);
      put(row.children[0], "text", mark);
      put(row.children[2], "text", note);
      found[kind] = row;
    }
    const seen = found.now ?? found.next,
      box = at("steps");
    if (!seen || seen === scrolled) return;
    scrolled = seen;
    box.scrollTop = seen.offsetTop - (box.clientHeight - seen.offsetHeight) / 2;
  }

  return {
    begin() {
      [events, listed] = [new Map(), undefined];
      at("alarms").replaceChildren();
      for (const id of ["procedure", "course", "upcoming"]) put(at(id), "hidden", true);
    },

    // Events come once, and again to a page that is opened later.
    add(found) {
      for (const one of found) {
        const key = one.kind + " " + one.label;
        if (events.has(key)) continue;
        events.set(key, one);
        if (one.kind === "done") continue;
        at("alarms").prepend(item(when(one.frame), `${one.kind}: ${one.name}`, percent(one.confidence)));
      }
    },

    show(now, idle) {
      const found = now.procedure;
      for (const id of ["procedure", "course", "upcoming"]) put(at(id), "hidden", !found);
      if (!found) return;
      put(at("whole"), "width", 100 * found.progress + "%");
      write("whole-number", percent(found.progress));
      const ends = [found.time_left_low_seconds, found.time_left_high_seconds].map(minutes);
      sentence("left", "time left ", minutes(found.time_left_seconds), ` (80 %: ${ends[0]} to ${ends[1]})`);
      const certainty = percent(found.next_probability);
      sentence("upcoming", "next ", found.next, ` (${certainty}) in ${minutes(found.next_seconds)}`);
      write("promise", facts.alarms ? `Budget: ${facts.alarms.promise}.` : "This server raises no alarms.");
      put(at("no-alarms"), "hidden", !facts.alarms || at("alarms").children.length > 0);
      list(now, idle);
    },
  };
})();
