// Where on the axis of time each row is.
//
// A row is an event or something that did not hold. On the busy axis every row has a place of its own, and
// time that passes without any is cut short; on the true axis distances are proportional to time. Positions
// are in rows on the one and in microseconds on the other; pixels are the view's business.

/** Up to here nothing is put between two rows: that is how long things take on a wire, in microseconds. */
const AT_ONCE_US = 2000;
/** From here on it is said how much time passes between two rows. */
const LONG_US = 500000;

/** How many rows are left free between two rows that are so far apart in time. */
function freeRows(microseconds) {
  if (microseconds < AT_ONCE_US) return 0;
  return Math.min(3, 0.36 * Math.log10(microseconds / AT_ONCE_US));
}

/** The place in a sorted list before which all numbers are at most `limit`. */
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
    /** Where the last row is. */
    this.end = Math.max(position, 1);
  }

  /** The row of an event; -1 if it is not shown. */
  rowOf(event) {
    const place = upperBound(this.events, event) - 1;
    return place >= 0 && this.events[place] === event ? this.rowsOfEvents[place] : -1;
  }

  /** Where an event is, or would be if it were shown. */
  ofEvent(event, at) {
    const row = this.rowOf(event);
    if (row >= 0 || this.isTrue) return row >= 0 ? this.positions[row] : at;
    // Beside the events that happened before it at the same time.
    const place = upperBound(this.events, event) - 1;
    const before = place >= 0 ? this.rowsOfEvents[place] : -1;
    return this.between(before, at);
  }

  /** Where a moment is. */
  ofTime(at) {
    return this.isTrue ? at : this.between(upperBound(this.times, at) - 1, at);
  }

  /** Where a moment is that lies between a row and the next one. */
  between(row, at) {
    if (row < 0) return 0;
    const here = this.positions[row];
    if (row + 1 >= this.rows.length) return here + (at > this.times[row] ? 1 : 0);
    const passed = at - this.times[row];
    const whole = this.times[row + 1] - this.times[row];
    return whole > 0 ? here + ((this.positions[row + 1] - here) * passed) / whole : here;
  }

  /** The rows between two positions, as the first one and the one after the last. */
  range(from, to) {
    return [upperBound(this.positions, from - 1e-9), upperBound(this.positions, to)];
  }

  /** The row that is nearest to a position; -1 if there are none. */
  nearest(position) {
    const after = upperBound(this.positions, position);
    if (after === 0) return this.rows.length > 0 ? 0 : -1;
    if (after === this.rows.length) return after - 1;
    const isCloser = this.positions[after] - position < position - this.positions[after - 1];
    return isCloser ? after : after - 1;
  }
}

/** A moment of the run, as all reports show it. */
function seconds(microseconds) {
  return (microseconds / 1e6).toFixed(6);
}

/** A length of time in a few words. */
function lapse(microseconds) {
  const whole = microseconds / 1e6;
  if (whole < 0.0095) return `${(microseconds / 1000).toFixed(microseconds < 1000 ? 2 : 1)} ms`;
  if (whole < 0.9995) return `${Math.round(microseconds / 1000)} ms`;
  if (whole < 99.5) return `${whole.toFixed(1)} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${Math.floor(whole % 60)} s`;
  if (whole < 172800) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.round(whole / 86400)} days`;
}

/** Round moments between two, at most so many, for a scale; and how many decimals of a second they need. */
function roundMoments(from, to, count) {
  const rough = (to - from) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  const step = [1, 2, 5, 10].map((times) => times * power).find((step) => step >= rough);
  const moments = [];
  for (let at = Math.max(0, Math.ceil(from / step) * step); at <= to; at += step) moments.push(at);
  return { moments, decimals: Math.max(0, 6 - Math.floor(Math.log10(step))) };
}
