// All people at a glance: a row each, which is a link to that person in full.

const people = (() => {
  const GONE_SECONDS = 30, // that a row is still there after its stream has ended
    MOST_GONE = 20; // such rows
  const known = new Map(); // name -> { row, parts, isSeen, isNew, goneAt }
  const order = new Intl.Collator(undefined, { numeric: true }).compare;

  // Rows off the screen are drawn when they come into view.
  const watcher = new IntersectionObserver(
    (found) => {
      for (const { target, isIntersecting } of found) {
        const one = known.get(target.dataset.name);
        if (one?.parts.item === target) one.isSeen = isIntersecting;
      }
      drawing.soon(draw, true);
    },
    { rootMargin: "100px" },
  );

  function make(name) {
    const parts = { fill: element("div", "fill"), line: element("div", "interval"), chip: element("span", "chip") };
    for (const part of ["alarms", "left", "number", "action"]) parts[part] = element("span", part);
    for (const part of ["text", "kind", "steps", "task", "which"]) parts[part] = element("span", part);
    parts.action.append(parts.chip, parts.text);
    parts.alarms.append(parts.kind, parts.which);
    const course = element("small", "", parts.task, parts.steps);
    parts.link = element("a", "row", element("span", "name", element("span", "", name), " ", course), parts.action);
    parts.link.append(element("span", "track", parts.fill, parts.line), parts.number, parts.left, parts.alarms);
    parts.link.href = "#person=" + encodeURIComponent(name);
    parts.item = element("li", "", parts.link);
    parts.item.dataset.name = name;
    const after = [...known.keys()].filter((other) => order(other, name) > 0).sort(order)[0];
    at("rows").insertBefore(parts.item, after === undefined ? null : known.get(after).parts.item);
    watcher.observe(parts.item);
    return { row: {}, parts, isSeen: false, isNew: true, goneAt: null };
  }

  function remove(name) {
    watcher.unobserve(known.get(name).parts.item);
    known.get(name).parts.item.remove();
    known.delete(name);
  }

  function drawRow({ row, parts, goneAt }) {
    const isKnown = row.label !== null && !goneAt,
      idle = isKnown && isIdle(row.label);
    put(parts.item, "className", goneAt || row.silent ? "old" : "");
    put(parts.chip, "background", isKnown ? ground(row.label) : "none");
    put(parts.text, "text", goneAt ? "not connected" : isKnown ? actionName(row.label) : "no result yet");
    put(parts.action, "title", isKnown ? actionName(row.label) : "");
    if (isKnown) fillBar(parts.fill, parts.line, row.label, row.progress, row.progress_low, row.progress_high);
    else emptyBar(parts.fill, parts.line);
    put(parts.number, "text", isKnown && !idle ? percent(row.progress) : "");
    const left = row.left === null ? "" : minutes(row.left) + " left";
    put(parts.left, "text", goneAt ? "" : row.silent ? `silent ${minutes(row.silent)}` : left);
    put(parts.task, "text", row.task && row.steps ? row.task + " " : "");
    put(parts.steps, "text", row.steps ? row.steps.join("/") : "");
    const kind = row.alarm ? `! ${row.alarms}  ${row.alarm[0]}` : "",
      which = row.alarm ? `: ${facts.class_names[row.alarm[1]]}` : "";
    put(parts.kind, "text", kind);
    put(parts.which, "text", which);
    put(parts.alarms, "hidden", !row.alarm);
    put(parts.alarms, "title", kind + which);
  }

  function draw() {
    for (const one of known.values()) {
      if (!one.isSeen || !one.isNew) continue;
      one.isNew = false;
      drawRow(one);
    }
    const there = [...known.values()].filter((one) => !one.goneAt),
      alarmed = there.filter((one) => one.row.alarms).length;
    const isMany = known.size > 12; // then in two columns on a wide window
    put(at("rows"), "className", isMany ? "many" : "few");
    put(at("rows"), "--rows-below", String(Math.max(1, isMany ? Math.ceil(known.size / 2) : known.size)));
    const none = "no one is connected; clients send frames to /stream?name=NAME";
    const summary = plural(there.length, "person", "people") + (alarmed ? `, ${alarmed} with alarms` : "");
    write("summary", there.length ? summary : none);
  }

  return {
    // A connection begins with all people, of these names. Rows of those who were there stay, so that one keeps the focus.
    begin(names) {
      for (const name of [...known.keys()]) if (!names.has(name)) remove(name);
      for (const one of known.values()) [one.row, one.goneAt] = [{}, null];
    },

    take({ people: changed = {}, gone = [] }) {
      const now = performance.now();
      for (const [name, row] of Object.entries(changed)) {
        if (!known.has(name)) known.set(name, make(name));
        const one = known.get(name);
        if (one.goneAt) [one.row, one.goneAt] = [{}, null];
        Object.assign(one.row, row);
        one.isNew = true;
      }
      for (const name of gone) Object.assign(known.get(name) ?? {}, { goneAt: now, isNew: true });
      const left = [...known].filter(([, one]) => one.goneAt).sort(([, one], [, other]) => other.goneAt - one.goneAt);
      left.forEach(([name, one], i) => {
        if (i >= MOST_GONE || now - one.goneAt > 1000 * GONE_SECONDS) remove(name);
      });
      drawing.soon(draw);
    },

    // Names of those who are connected, and the row of one of them.
    names: () => [...known].filter(([, one]) => !one.goneAt).map(([name]) => name),
    row: (name) => (known.get(name)?.goneAt ? undefined : known.get(name)?.row),

    mark(name) {
      for (const [other, { parts }] of known) {
        if (other === name) parts.link.setAttribute("aria-current", "true");
        else parts.link.removeAttribute("aria-current");
      }
    },

    // The row above or below the one that has the focus.
    move(step) {
      const links = [...at("rows").querySelectorAll("a")];
      const from = links.indexOf(document.activeElement);
      links[Math.max(0, Math.min(links.length - 1, from + step))]?.focus();
    },
  };
})();
