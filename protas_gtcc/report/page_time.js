// Times: the unit of an axis, and of what is written, follows the length, everywhere in the same way.

const MINUTES_FROM = 180;

// The unit for lengths up to this one.
const unitOf = (seconds) =>
  seconds < MINUTES_FROM ? { name: "seconds", short: "s", seconds: 1 } : { name: "minutes", short: "min", seconds: 60 };

// The unit of a video's time axes, with its number of frames.
function unitOfVideo(group, number) {
  const unit = unitOf(group.videos[number].num_frames / group.fps);
  return { ...unit, frames: unit.seconds * group.fps };
}

// How long something lasts, to about two digits.
function lasting(seconds) {
  const unit = unitOf(seconds),
    value = seconds / unit.seconds;
  return `${value.toFixed(value < 9.95 ? 1 : 0)} ${unit.short}`;
}

function clock(seconds) {
  const whole = Math.round(seconds);
  return seconds < 60 ? `${seconds.toFixed(2)} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

// A time in a video as minutes and seconds.
function atTime(group, frame, digits = 0) {
  const scale = 10 ** digits,
    seconds = Math.floor((frame / group.fps) * scale + 1e-6) / scale,
    minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(digits).padStart(digits ? digits + 3 : 2, "0")}`;
}

// A stretch of a video, with as many digits as its ends need to differ.
function fromTo(group, number, start, end) {
  const isShort = unitOfVideo(group, number).seconds === 1,
    write = (digits) => [start, end].map((frame) => (isShort ? (frame / group.fps).toFixed(digits) : atTime(group, frame, digits)));
  const texts = [isShort ? 1 : 0, 1, 2, 3].map(write),
    [from, to] = texts.find(([one, other]) => one !== other) ?? texts[0];
  return `${from} to ${to}${isShort ? " s" : ""}`;
}
