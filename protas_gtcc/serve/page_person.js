// One person in full: picture, action, progress, procedure, and what was done so far.

const person = (() => {
  const PACE = drawing.PERIOD - 100, // milliseconds until more is asked for: it is to be there when it is drawn
    PICTURE_PACE = 100,
    RETRY = 1000,
    PATIENCE = 5000; // milliseconds without a result, while results come, after which the connection counts as broken
  let name = null,
    socket = null,
    last, // result
    picture = null, // of the last result, where the stream has pictures
    endedAt,
    isOwed, // an answer, after which more results come
    isFed = false, // by a connection that has sent something
    heardAt = 0,
    askedAt = 0,
    triedAt = 0;

  const time = () => new Date().toLocaleTimeString();

  function clear() {
    picture?.close();
    [last, picture, endedAt, isOwed] = [null, null, null, false];
    strip.begin();
    procedure.begin();
    for (const id of ["action", "progress-number", "confidence-number", "note"]) write(id, "");
    for (const id of ["progress", "confidence"]) put(at(id), "width", "0%");
    for (const id of ["interval", "delay", "picture"]) put(at(id), "hidden", true);
    put(at("chip"), "background", "none");
    at("now").classList.remove("seen");
    at("past").replaceChildren();
    at("timeline").width = 0;
  }

  function close() {
    socket?.close();
    [socket, isFed] = [null, false];
  }

  function watch() {
    close();
    triedAt = heardAt = performance.now();
    const mine = (socket = openSocket("/watch", { name, pictures: 1, brief: 1 }));
    // A picture comes before the results that end with its own; both are shown at once, then the next ones may come.
    let before = Promise.resolve(),
      coming = null,
      isFirst = true;
    const take = async (data) => {
      if (data instanceof Blob) coming = await createImageBitmap(data).catch(() => null);
      if (mine !== socket || data instanceof Blob) return;
      const news = JSON.parse(data),
        results = news.filter((one) => one.frame !== undefined);
      const isNew = isFirst;
      if (isNew) clear();
      [isOwed, isFirst, isFed, heardAt] = [!isNew, false, true, performance.now()];
      results.forEach(strip.add);
      for (const one of news) procedure.add(one.events ?? one.procedure?.events ?? []);
      if (results.length) {
        picture?.close();
        [last, picture, coming] = [results[results.length - 1], coming, null];
      }
      if (news.some((one) => one.ended)) endedAt = time();
      drawing.soon(draw, isNew || picture !== null);
    };
    mine.onmessage = (event) => {
      before = before.then(() => take(event.data));
    };
    mine.onclose = ({ reason }) => {
      before = before.then(() => {
        if (mine !== socket) return;
        close();
        if (reason || !last) write("note", reason || "the server shows no result of this person; trying again");
      });
    };
  }

  function ask() {
    isOwed = false;
    const mine = socket,
      now = performance.now(),
      pause = Math.max(0, askedAt + (picture ? PICTURE_PACE : PACE) - now);
    askedAt = now + pause;
    setTimeout(() => mine === socket && mine?.readyState === WebSocket.OPEN && mine.send("shown"), pause);
  }

  function draw() {
    if (name === null || !facts) return;
    refresh();
    if (last) drawResult();
    if (isOwed) ask();
  }

  function drawResult() {
    const idle = isIdle(last.label),
      current = strip.current();
    write("action", actionName(last.label));
    put(at("chip"), "background", ground(last.label));
    fillBar(at("progress"), at("interval"), last.label, last.progress, last.progress_low, last.progress_high);
    write("progress-number", idle ? "" : percent(last.progress));
    put(at("confidence"), "width", 100 * last.probability + "%");
    write("confidence-number", percent(last.probability));
    const isLeftKnown = !idle && last.remaining_seconds !== undefined,
      left = isLeftKnown && last.procedure ? `, about ${Math.round(last.remaining_seconds)} s left` : "";
    const during = `${idle ? "no action" : "in this action"} for ${clock(current.end - current.start)}`;
    write("note", `frame ${last.frame}, ${clock(last.frame + 1)}; ${during}${left}`);
    put(at("left"), "hidden", !isLeftKnown && !last.procedure);
    if (isLeftKnown && !last.procedure) showLeft(last);
    showDelay(last);
    showPicture();
    procedure.show(last, idle);
    strip.show(endedAt !== null);
  }

  // The time left of the action has the large place where no procedure is followed.
  function showLeft({ remaining_seconds: left, remaining_low_seconds: low, remaining_high_seconds: high }) {
    const interval = low === undefined ? "" : ` (80 %: ${minutes(low)} to ${minutes(high)})`;
    sentence("left", "left in this action ", minutes(left), interval);
  }

  // Of a stream whose source has a clock, or that has skipped frames, or of a model that waits for later frames.
  function showDelay({ delay_seconds: seconds, delay_parts: parts = {}, dropped }) {
    const late = facts.lag_seconds ? `shown ${minutes(facts.lag_seconds)} after its frame` : "",
      skipped = `${plural(dropped, "frame")} skipped`,
      each = Object.entries(parts).map(([part, value]) => `${part} ${Math.round(1000 * value)} ms`);
    put(at("delay"), "hidden", seconds === undefined && !dropped && !late);
    write("delay", seconds === undefined ? (dropped ? skipped : late) : `delay ${seconds.toFixed(2)} s, ${skipped}`);
    put(at("delay"), "title", each.join(", "));
  }

  function showPicture() {
    const canvas = at("picture");
    at("now").classList.toggle("seen", picture !== null);
    put(canvas, "hidden", picture === null);
    if (!picture) return;
    const scale = Math.min(1, 960 / Math.max(picture.width, picture.height));
    canvas.width = picture.width * scale;
    canvas.height = picture.height * scale;
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  }

  // Why what is shown is not live; "" if it is.
  function whyOld() {
    const row = people.row(name);
    if (endedAt) return `the stream has ended (${endedAt})`;
    if (!row) return last ? "not connected; this is its last result" : "not connected; the page waits for this person";
    if (row.silent) return `no frames for ${minutes(row.silent)}`;
    return isFed || !last ? "" : "no results reach this page; this is the last one";
  }

  // One of two connections may break alone: then the row goes on, and this person does not.
  function isStalled() {
    const row = people.row(name);
    const patience = PATIENCE * Math.max(1, 1 / (facts.fps || 1));
    return socket && row && row.label !== null && !row.silent && performance.now() - heardAt > patience;
  }

  // Called at each look at all people: says whether this one is live, and opens what was closed.
  function refresh() {
    if (name === null) return;
    if (isStalled()) close();
    const reason = whyOld();
    put(at("quiet"), "text", reason);
    put(at("quiet"), "hidden", !reason);
    at("person").classList.toggle("old", reason !== "");
    if (!socket && people.row(name) && performance.now() - triedAt > RETRY) watch();
  }

  return {
    choose(chosen) {
      if (chosen === name) return;
      close();
      [name, triedAt] = [chosen, -RETRY];
      at("person").hidden = name === null;
      document.title = (name === null ? "" : name + " · ") + "protas_gtcc live";
      if (name === null) return;
      clear();
      write("name", name);
      refresh();
    },
    name: () => name,
    begin: clear,
    isEnded: () => endedAt !== null && name !== null,
    close,
    refresh,
    redraw() {
      if (last && name !== null) strip.show(true);
    },
  };
})();
