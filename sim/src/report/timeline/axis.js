// Positions of rows on the time axis.
//
// A row is an event or a finding. On the busy axis rows have equal distances, and pauses are shortened; on the true axis
// distances are proportional to time. Positions are in rows on the busy axis and in microseconds on the true axis. The
// view converts them to pixels.

/** Pauses shorter than this get no gap, because network delays are that long; in microseconds. */
const AT_ONCE_US = 2000;
/** Pauses of at least this length are labelled; in microseconds. */
const LONG_US = 500000;

/** The size of the gap for a pause, in rows. */
function freeRows(microseconds) {
  if (microseconds < AT_ONCE_US) return 0;
  return Math.min(3, 0.36 * Math.log10(microseconds / AT_ONCE_US));
}

/** The number of leading elements of a sorted list that are at most `limit`. */
function upperBound(list, limit) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

class Axis {
  /** `rows` are `{at, event}` or `{at, finding}`, in order. */
  constructor(rows, isTrue) {
    this.isTrue = isTrue;
    this.rows = rows;
    this.times = Float64Array.from(rows, (row) => row.at);
    this.events = [];
    this.rowsOfEvents = [];
    this.positions = new Float64Array(rows.length);
    let position = 0;
    rows.forEach((row, index) => {
      if (isTrue) position = row.at;
      else if (index > 0) position += 1 + freeRows(row.at - rows[index - 1].at);
      this.positions[index] = position;
      if (row.event !== undefined) {
        this.events.push(row.event);
        this.rowsOfEvents.push(index);
      }
    });
    /** The position of the last row. */
    this.end = Math.max(position, 1);
  }

  /** The row of an event; -1 if it is hidden. */
  rowOf(event) {
    const place = upperBound(this.events, event) - 1;
    return place >= 0 && this.events[place] === event ? this.rowsOfEvents[place] : -1;
  }

  /** The position of an event, also of a hidden one. */
  ofEvent(event, at) {
    const row = this.rowOf(event);
    if (row >= 0 || this.isTrue) return row >= 0 ? this.positions[row] : at;
    // Next to earlier events of the same time.
    const place = upperBound(this.events, event) - 1;
    const before = place >= 0 ? this.rowsOfEvents[place] : -1;
    return this.between(before, at);
  }

  /** The position of a time. */
  ofTime(at) {
    return this.isTrue ? at : this.between(upperBound(this.times, at) - 1, at);
  }

  /** The position of a time between a row and the next one. */
  between(row, at) {
    if (row < 0) return 0;
    const here = this.positions[row];
    if (row + 1 >= this.rows.length) return here + (at > this.times[row] ? 1 : 0);
    const passed = at - this.times[row];
    const whole = this.times[row + 1] - this.times[row];
    return whole > 0 ? here + ((this.positions[row + 1] - here) * passed) / whole : here;
  }

  /** The rows between two positions: the first, and the one after the last. */
  range(from, to) {
    return [upperBound(this.positions, from - 1e-9), upperBound(this.positions, to)];
  }

  /** The row nearest to a position; -1 without rows. */
  nearest(position) {
    const after = upperBound(this.positions, position);
    if (after === 0) return this.rows.length > 0 ? 0 : -1;
    if (after === this.rows.length) return after - 1;
    const isCloser = this.positions[after] - position < position - this.positions[after - 1];
    return isCloser ? after : after - 1;
  }
}

/** A time of the run in the format of all reports. */
function seconds(microseconds) {
  return (microseconds / 1e6).toFixed(6);
}

/** A duration as short text. */
function lapse(microseconds) {
  const whole = microseconds / 1e6;
  if (whole < 0.0095) return `${(microseconds / 1000).toFixed(microseconds < 1000 ? 2 : 1)} ms`;
  if (whole < 0.9995) return `${Math.round(microseconds / 1000)} ms`;
  if (whole < 99.5) return `${whole.toFixed(1)} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${Math.floor(whole % 60)} s`;
  if (whole < 172800) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.round(whole / 86400)} days`;
}

/** At most `count` round times between two times, for a scale, and the number of decimals of a second that they need. */
function roundMoments(from, to, count) {
  const rough = (to - from) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  const step = [1, 2, 5, 10].map((times) => times * power).find((step) => step >= rough);
  const moments = [];
  for (let at = Math.max(0, Math.ceil(from / step) * step); at <= to; at += step) moments.push(at);
  return { moments, decimals: Math.max(0, 6 - Math.floor(Math.log10(step))) };
}
