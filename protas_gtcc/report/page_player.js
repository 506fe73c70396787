// The file of a test video above its timeline: a click on a segment plays it, cursor and values go with the playback.

// Seconds into a frame, so that rounded times are not those of the frame before.
const INSIDE = 0.002;
// Milliseconds within which a second click is half of a double click, as for plotly.
const SECOND_CLICK = 300;

// Seconds from the first picture, as labels count: a browser's clock is ahead where the sound begins earlier.
function secondsOf({ element, video }) {
  return Math.max(0, element.currentTime - video.start_seconds);
}

// The same of the picture that is seen, which a browser may show before its clock says so.
function seenSecondsOf(player) {
  const { element, video, pictured } = player;
  return known(pictured) && !element.paused ? Math.max(0, pictured - video.start_seconds) : secondsOf(player);
}

function goTo({ element, video }, seconds) {
  element.currentTime = seconds + video.start_seconds;
}

// What is true and what each shown run reports, at every frame.
function valuesOf(group, number) {
  const truth = segmentsOf(group.videos[number].segments),
    first = { name: "true", colour: themed("text"), segments: truth, progress: targetsOf(truth, new Set(group.background)) };
  const rest = shownRuns(group).map((run) => {
    const own = run.videos[number],
      progress = own.frames.reported ? unpack(own.frames.reported, DATA.frame_values.reported.scale) : null;
    return { name: run.name, colour: run.colour, segments: segmentsOf(own.segments), progress };
  });
  return [first, ...rest].map((row) => ({ ...row, labels: labelsOf(row.segments) }));
}

// The row of one of these, and a function that shows a frame in it.
function valueRow(group, { name, colour, labels, progress }) {
  const title = make("span", { className: "name", title: name }, short(name, 28)),
    action = make("span", {}),
    fill = make("div", { className: "fill" }),
    number = make("span", { className: "number" });
  title.style.color = colour;
  const track = progress ? [make("div", { className: "track" }, fill)] : [];
  const show = (frame) => {
    const label = labels[frame];
    action.textContent = short(group.class_names[label], 40);
    fill.style.background = ground(group.looks[label]);
    if (!progress) return;
    fill.style.width = 100 * progress[frame] + "%";
    number.textContent = progress[frame].toFixed(2);
  };
  return [make("div", { className: "value" }, title, make("div", {}, action, ...track), number), show];
}

// A player, the timeline of its plot, and what the plot calls when other runs are shown.
function makePlayer(group, number, box) {
  const video = group.videos[number],
    element = make("video", { controls: true, preload: "metadata", playsInline: true }),
    time = make("div", { className: "time" }),
    rows = make("div", {}),
    values = make("div", { className: "values" }, time, rows),
    problem = make("p", { className: "problem", hidden: true }),
    cursor = make("div", { className: "cursor", hidden: true }),
    timeline = make("div", { className: "timeline" }, box, cursor),
    place = make("div", { className: "player" }, element, problem, values);
  const player = { group, video, unit: unitOfVideo(group, number).seconds, element, problem, values, box, cursor, time, rows: [], shows: [], until: null };
  watchElement(player);
  watchClicks(player, timeline);
  const redraw = () => {
    if (!element.src) element.src = video.file; // now that it is near
    player.rows = valuesOf(group, number);
    const made = player.rows.map((row) => valueRow(group, row));
    rows.replaceChildren(...made.map(([row]) => row));
    player.shows = made.map(([, show]) => show);
    showNow(player);
  };
  return { player, place, timeline, redraw, drawn: () => placeCursor(player) };
}

function watchElement(player) {
  const { element, video } = player;
  const go = () => {
    step(player);
    if (!element.paused && !element.ended) requestAnimationFrame(go);
  };
  const look = (_, { mediaTime }) => {
    player.pictured = element.seeking ? null : mediaTime;
    step(player);
    element.requestVideoFrameCallback(look);
  };
  element.requestVideoFrameCallback?.(look);
  element.onseeking = () => (player.pictured = null);
  element.onplay = () => {
    for (const other of document.querySelectorAll("video")) if (other !== element) other.pause();
    go();
  };
  element.onseeked = element.ontimeupdate = () => step(player);
  element.onerror = () => complain(player, unplayable(video));
  element.onloadedmetadata = () => {
    const labelled = video.num_frames / player.group.fps,
      lasts = element.duration - video.start_seconds;
    if (!element.videoWidth) complain(player, unplayable(video));
    else if (Math.abs(lasts - labelled) > Math.max(1, labelled / 100)) {
      const lengths = `The file lasts ${clock(lasts)}, the labels last ${clock(labelled)}`;
      complain(player, `${lengths}: is it the file of ${video.name}?`, true);
    }
  };
}

function complain(player, text, keep = false) {
  player.problem.textContent = text;
  player.problem.hidden = false;
  player.element.hidden = player.values.hidden = !keep;
  placeCursor(player);
}

function unplayable(video) {
  const file = video.file.startsWith("data:") ? video.name : decodeURIComponent(video.file);
  return (
    `This browser cannot play ${file}. Either the file is not there any more, or its format is not one of the ` +
    "browser's. MP4 with H.264 plays in nearly every one."
  );
}

// The end of a segment stops the playback, unless somebody has gone elsewhere.
function step(player) {
  const { element, until } = player,
    seconds = seenSecondsOf(player);
  if (element.seeking) return;
  const isOver = until && seconds >= until.end - INSIDE / 2; // from where on the next frame is shown
  if (until && (seconds < until.start - INSIDE || isOver)) {
    player.until = null;
    if (isOver && seconds < until.end + 0.5) {
      element.pause();
      goTo(player, until.end - INSIDE);
    }
  }
  showNow(player);
}

function showNow(player) {
  const { group, video } = player,
    seconds = seenSecondsOf(player);
  const frame = Math.min(Math.floor((seconds + INSIDE / 2) * group.fps), video.num_frames - 1);
  player.time.textContent = `${clock(seconds)} (frame ${frame})`;
  for (const show of player.shows) show(frame);
  placeCursor(player);
}

function placeCursor(player) {
  const { box, cursor, element } = player,
    place = seenSecondsOf(player) / player.unit,
    axes = box._fullLayout?.xaxis && box._fullLayout,
    [low, high] = axes ? axes.xaxis.range : [0, 0];
  cursor.hidden = !axes || element.hidden || place < low || place > high;
  if (cursor.hidden) return;
  cursor.style.left = axes.xaxis._offset + axes.xaxis.l2p(place) + "px";
  cursor.style.top = axes.yaxis._offset + "px";
  cursor.style.height = axes.yaxis2._offset + axes.yaxis2._length - axes.yaxis._offset + "px";
}

// A click on a segment plays it, a click on the curves plays from there. Dragging zooms, a second click shows all.
function watchClicks(player, timeline) {
  let pressed = null,
    before = null;
  timeline.addEventListener("pointerdown", (event) => (pressed = event.button ? null : event), true);
  // Plotly puts an element over the page while a mouse is pressed, so that neither release nor click arrives here.
  addEventListener("pointercancel", () => (pressed = null), true);
  addEventListener(
    "pointerup",
    (event) => {
      if (pressed && isNear(event, pressed)) {
        const isSecond = before && event.timeStamp - before.timeStamp < SECOND_CLICK && isNear(event, before);
        before = event;
        if (isSecond) player.element.pause();
        else playAt(player, event);
      }
      pressed = null;
    },
    true,
  );
}

const isNear = (one, other) =>
  one.pointerId === other.pointerId && Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) <= 4;

// The segment, or the time on the curves, at a place in the window.
function playAt(player, { clientX, clientY }) {
  const { box, element } = player,
    axes = box._fullLayout;
  if (!axes || element.hidden) return;
  const { left, top } = box.getBoundingClientRect(),
    seconds = axes.xaxis.p2l(clientX - left - axes.xaxis._offset) * player.unit,
    inside = (axis, pixel) => pixel >= axis._offset && pixel <= axis._offset + axis._length;
  if (!inside(axes.xaxis, clientX - left)) return;
  if (inside(axes.yaxis, clientY - top)) {
    const row = player.rows[Math.round(axes.yaxis.p2l(clientY - top - axes.yaxis._offset))];
    const frame = seconds * player.group.fps,
      segment = row?.segments.find(([, end]) => frame < end);
    if (segment) play(player, segment[0], segment[1]);
  } else if (inside(axes.yaxis2, clientY - top)) play(player, seconds * player.group.fps, null);
}

// From one frame to another, or to the end.
function play(player, first, last) {
  const { element, group } = player,
    start = Math.max(0, first) / group.fps;
  player.until = last === null ? null : { start, end: last / group.fps };
  goTo(player, start + INSIDE);
  element.play().catch(() => {}); // a file that cannot be played has its line
}

// A note on videos that have no file, where files were given.
function withoutFile(group) {
  const names = group.videos.filter((video) => !video.file).map((video) => video.name);
  if (!DATA.has_videos || !names.length) return [];
  return [make("p", { className: "problem" }, `There is no file of ${counted(names, "video")}: ${names.join(", ")}`)];
}
