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
const atTime = (group, frame) => {
  const seconds = Math.floor(frame / group.fps);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
};

// A stretch of a video.
function fromTo(group, number, start, end) {
  const [from, to] = [start, end].map((frame) => (frame / group.fps).toFixed(1));
  return unitOfVideo(group, number).seconds === 1 ? `${from} to ${to} s` : `${atTime(group, start)} to ${atTime(group, end)}`;
}
