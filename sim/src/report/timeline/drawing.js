// Draws only the visible part, so the number of elements is bounded by the height of the window, for a run of any length.
// Elements of one style without text are one path.
//
// `timeline.js` decides what is visible. Content of a run is inserted as text, never as markup.

/** The distance of readable rows, in pixels. */
const READABLE = 20;
/** The minimum distance of two texts, in pixels. */
const TEXT_PITCH = 15;
/** Below this distance of rows, events are drawn merged; in pixels. */
const DENSE_PITCH = 3;
/** The maximum number of faults, states and findings with text at a time. */
const WORDED = 120;

/** One drawing of the visible part. */
class Drawing {
  /** `view` has `top`, `scale` and `height`; `shown` the content; see `timeline.js`. */
  constructor(shown, view, columns) {
    this.shown = shown;
    this.view = view;
    this.columns = columns;
    this.axis = shown.axis;
    this.parts = document.createDocumentFragment();
    this.paths = new Map();
    const bottom = view.top + view.height / view.scale;
    [this.first, this.last] = this.axis.range(view.top - 12 / view.scale, bottom + 12 / view.scale);
    this.isDense = (this.last - this.first) * DENSE_PITCH > view.height;
  }

  y(position) {
    return (position - this.view.top) * this.view.scale;
  }

  yOfEvent(event) {
    return this.y(this.axis.ofEvent(event, this.shown.events[event].at_us));
  }

  add(name, attributes, text) {
    const made = element(name, attributes, text);
    this.parts.append(made);
    return made;
  }

  /** Adds to the path of all elements of a style. */
  trace(look, commands) {
    const path = this.paths.get(look);
    if (path) path.push(commands);
    else this.paths.set(look, [commands]);
  }

  /** Inserts the paths since the last call. */
  flush() {
    for (const [look, commands] of this.paths) this.add("path", { class: look, d: commands.join("") });
    this.paths.clear();
  }

  draw() {
    this.bands();
    this.scale();
    this.faults();
    this.lanes();
    this.flush();
    this.wires();
    this.flush();
    this.marks();
    this.flush();
    this.faultWords();
    this.findings();
    this.states();
    this.texts();
    this.map();
    this.flush();
    return this.parts;
  }

  /** The background: steps, the selected row, the row under the pointer. */
  bands() {
    const { columns, view, shown } = this;
    const left = columns.map.width;
    const height = Math.min(READABLE, Math.max(4, view.scale * (this.axis.isTrue ? 0 : 1))) || READABLE;
    const band = (row, look) => {
      const y = this.y(this.axis.positions[row]);
      const tall = this.axis.isTrue ? TEXT_PITCH : height;
      this.add("rect", { class: look, x: left, y: y - tall / 2, width: columns.width - left, height: tall });
    };
    if (!this.isDense) {
      for (let row = this.first; row < this.last; row += 1) {
        const { event, finding } = this.axis.rows[row];
        if (finding !== undefined) band(row, "finding-band");
        else if (shown.events[event].kind === "step" && view.scale * (this.axis.isTrue ? 0 : 1) >= 10) band(row, "step-band");
      }
    }
    if (shown.selected >= 0) band(shown.selected, "select-band");
    if (shown.hovered >= 0 && shown.hovered !== shown.selected) band(shown.hovered, "hover-band");
  }

  /** The times of the rows. */
  scale() {
    const { axis, columns, view } = this;
    if (axis.isTrue) {
      const bottom = view.top + view.height / view.scale;
      const { moments, decimals } = roundMoments(view.top, bottom, view.height / 70);
      for (const at of moments) {
        const y = this.y(at);
        this.trace("grid-line", `M${columns.time + 6} ${y}H${columns.width}`);
        this.add("text", { class: "time", x: columns.time, y }, (at / 1e6).toFixed(decimals));
      }
      return;
    }
    let free = -Infinity;
    for (let row = this.first; row < this.last; row += 1) {
      const y = this.y(axis.positions[row]);
      const at = axis.times[row];
      const before = row > 0 ? at - axis.times[row - 1] : 0;
      if (before >= LONG_US) {
        const above = this.y(axis.positions[row - 1]);
        const middle = (above + y) / 2;
        if (y - above >= 2 * TEXT_PITCH - 2 && middle - free >= TEXT_PITCH - 2) {
          this.add("text", { class: "gap", x: columns.time, y: middle }, `${lapse(before)} pass`);
          free = middle;
        }
      }
      if ((row === 0 || before > 0 || row === this.first) && y - free >= TEXT_PITCH - 1) {
        this.add("text", { class: "time", x: columns.time, y }, seconds(at));
        free = y;
      }
    }
  }

  /** The shaded areas of faults, clipped to the view. */
  faults() {
    this.worded = [];
    const seen = new Set();
    for (const fault of this.shown.faults) {
      const [top, bottom] = this.span(fault);
      if (bottom < 0 || top > this.view.height) continue;
      const [left, right] = this.sides(fault);
      if (left === undefined) continue;
      const box = { x: left, y: Math.max(-2, top), width: right - left };
      box.height = Math.max(2, Math.min(this.view.height + 2, bottom) - box.y);
      if (box.height < 2 * DENSE_PITCH || this.worded.length === WORDED) {
        // Many short adjacent faults are one area.
        const y = Math.floor(box.y / DENSE_PITCH) * DENSE_PITCH;
        const key = `${left} ${right} ${y}`;
        if (seen.has(key) && box.height <= DENSE_PITCH) continue;
        seen.add(key);
        this.trace("fault-dense", `M${left} ${y}h${box.width}v${Math.max(DENSE_PITCH, box.height)}h${-box.width}z`);
        continue;
      }
      this.add("rect", { ...box, class: `hatch-ground ${fault.kind}` });
      this.add("rect", { ...box, class: "fault", fill: `url(#hatch-${patternOf(fault.kind)})` });
      if (top > -2) this.trace("fault-edge", `M${left} ${top}H${right}`);
      if (bottom < this.view.height + 2) this.trace("fault-edge", `M${left} ${bottom}H${right}`);
      this.worded.push({ fault, left, right, top: box.y, bottom: box.y + box.height });
    }
  }

  /** The start and end of a fault, in pixels. */
  span(fault) {
    const top = this.yOfEvent(fault.begins);
    if (fault.ends !== null) return [top, this.yOfEvent(fault.ends)];
    if (fault.ends_at_us !== null) return [top, this.y(this.axis.ofTime(fault.ends_at_us))];
    return [top, this.y(this.axis.end) + READABLE];
  }

  /** The left and right edges of a fault; nothing if its lane is hidden. */
  sides(fault) {
    const { lanes, pitch } = this.columns;
    if (fault.place.between) {
      const ends = [lanes.get(fault.place.between.from), lanes.get(fault.place.between.to)];
      if (ends.includes(undefined)) return [];
      return [Math.min(...ends), Math.max(...ends)];
    }
    const middle = lanes.get(fault.place.at.lane);
    const half = { crash: 0.42, disk: 0.3, queue: 0.36, wrapper: 0.36 }[fault.kind] * pitch;
    return middle === undefined ? [] : [middle - half, middle + half];
  }

  faultWords() {
    const taken = [];
    for (const { fault, left, right, top, bottom } of this.worded) {
      const x = (left + right) / 2;
      const room = fault.place.between ? right - left - 6 : this.columns.pitch * 1.4;
      const text = fitted(fault.text, room, `600 ${SMALL}`);
      let y = top + 10;
      while (taken.some((other) => Math.abs(other.x - x) < 40 && Math.abs(other.y - y) < 13)) y += 13;
      if (!text || bottom - y < 4 || top < -2) continue;
      taken.push({ x, y });
      this.add("text", { class: "fault-text halo", x, y: Math.max(y, 8) }, text);
    }
  }

  lanes() {
    const bottom = this.y(this.axis.end) + READABLE;
    const top = Math.max(0, this.y(0) - READABLE);
    for (const x of this.columns.lanes.values()) {
      this.trace("lane-line", `M${x} ${top}V${Math.min(this.view.height, bottom)}`);
    }
  }

  /** The arrows. */
  wires() {
    const { axis, columns, shown, view } = this;
    const seen = new Set();
    const one = (event) => {
      const { arrow, kind } = shown.events[event];
      if (!arrow) return;
      const [from, to] = [columns.lanes.get(arrow.from), columns.lanes.get(arrow.to)];
      if (from === undefined || to === undefined) return;
      const y = this.yOfEvent(event);
      const end = arrow.arrives === null ? y : this.yOfEvent(arrow.arrives);
      if (end < -8 || y > view.height + 8) return;
      const look = this.look(arrow, kind);
      if (this.isDense) {
        const key = `${look} ${Math.round(y / DENSE_PITCH)} ${arrow.from} ${arrow.to}`;
        if (seen.has(key)) return;
        seen.add(key);
        if (end - y < 40) {
          this.trace(`wire dense ${look}`, `M${from} ${y.toFixed(1)}H${to}`);
          return;
        }
      }
      this.arrow(look, arrow, from, y, to, end);
    };
    for (let row = this.first; row < this.last; row += 1) {
      const { event } = axis.rows[row];
      if (event !== undefined) one(event);
    }
    // Arrows that start above the view and end in it or below it.
    const before = this.first < axis.rows.length ? (axis.rows[this.first].event ?? axis.rows[this.first].after) : Infinity;
    for (const event of shown.longArrows) {
      if (event >= before) break;
      if (shown.events[event].arrow.arrives >= before && axis.rowOf(event) >= 0) one(event);
    }
  }

  look(arrow, kind) {
    const isTrouble = arrow.fate !== "arrived" || kind === "trouble";
    return isTrouble ? `${arrow.kind} trouble` : arrow.kind;
  }

  /** An arrow. A lost one ends midway, with a cross. */
  arrow(look, arrow, x1, y1, x2, y2) {
    const isLost = arrow.fate === "lost";
    const [ex, ey] = isLost ? [x1 + (x2 - x1) * 0.6, y1 + (y2 - y1) * 0.6] : [x2, y2];
    const long = Math.hypot(ex - x1, ey - y1) || 1;
    const [ux, uy] = [(ex - x1) / long, (ey - y1) / long];
    const number = (value) => value.toFixed(1);
    this.trace(`wire ${look}`, `M${number(x1)} ${number(y1)}L${number(ex - ux * 5)} ${number(ey - uy * 5)}`);
    if (isLost) {
      this.trace("cross", `M${number(ex - 4)} ${number(ey - 4)}l8 8m0 -8l-8 8`);
      return;
    }
    const [bx, by] = [ex - ux * 7, ey - uy * 7];
    const [px, py] = [-uy * 3, ux * 3];
    this.trace(
      `tip ${look}`,
      `M${number(ex)} ${number(ey)}L${number(bx + px)} ${number(by + py)}L${number(bx - px)} ${number(by - py)}z`,
    );
  }

  /** The dots of events, the faults of connections, and the ticks of steps. */
  marks() {
    const { axis, columns, shown } = this;
    for (let row = this.first; row < this.last; row += 1) {
      const { event } = axis.rows[row];
      if (event === undefined) continue;
      const { lane, kind, world } = shown.events[event];
      const y = this.y(axis.positions[row]);
      if (kind === "step") {
        if (!this.isDense) this.trace("step-tick", `M${columns.tick} ${(y - 3.5).toFixed(1)}l5 3.5l-5 3.5z`);
      } else if (kind === "world") {
        this.strike(world, y);
      } else if (!this.isDense) {
        const x = columns.lanes.get(lane);
        const look = kind === "trouble" ? "eye trouble" : "eye";
        if (x !== undefined) this.trace(look, `M${x - 2} ${y.toFixed(1)}a2 2 0 1 0 4 0a2 2 0 1 0 -4 0z`);
      }
    }
    this.partner();
  }

  /** Faults without a duration: connections that were reset, finished or silenced. */
  strike(world, y) {
    if (world.fault?.affects !== "connections") return;
    const place = (name) => this.columns.lanes.get(this.shown.laneOf(name));
    const [from, to] = [place(world.fault.from), place(world.fault.to)];
    if (from === undefined || to === undefined) return;
    const middle = (from + to) / 2;
    this.trace("strike", `M${from} ${y}H${to}`);
    this.trace("cross", `M${middle - 4} ${y - 4}l8 8m0 -8l-8 8`);
  }

  /** The whole arrow of the selected event. */
  partner() {
    const { axis, columns, shown } = this;
    const event = shown.selected >= 0 ? axis.rows[shown.selected].event : undefined;
    if (event === undefined) return;
    const sent = shown.events[event].arrow ? event : shown.sentBy.get(event);
    if (sent === undefined) return;
    const { arrow } = shown.events[sent];
    const [from, to] = [columns.lanes.get(arrow.from), columns.lanes.get(arrow.to)];
    if (from === undefined || to === undefined) return;
    const end = arrow.arrives === null ? sent : arrow.arrives;
    this.add("path", { class: "partner", d: `M${from} ${this.yOfEvent(sent)}L${to} ${this.yOfEvent(end)}` });
  }

  /** The states of the messages. */
  states() {
    const { columns, shown, view } = this;
    const words = [];
    /** The bottom of the last mark in each slot. */
    const taken = [];
    let signs = columns.slot < 13 ? WORDED : 0;
    for (const bar of shown.bars) {
      const [top, bottom] = [this.y(bar.top), this.y(bar.bottom)];
      if (bottom < -10 || top > view.height + 10) continue;
      const x = columns.states + bar.slot * columns.slot;
      let isNamed = false;
      bar.parts.forEach((part, place) => {
        const y = this.y(part.top);
        const end = place + 1 < bar.parts.length ? this.y(bar.parts[place + 1].top) : bottom;
        if (!part.isEnd) this.stretch(x, part, y, end);
        if (y > view.height + 8) return;
        const isCrowded = signs >= WORDED || y - (taken[bar.slot] ?? -Infinity) < TEXT_PITCH - 2;
        if (part.isEnd && isCrowded) {
          this.trace(`end ${part.moment}`, `M${x} ${(y - 1.5).toFixed(1)}h6v3h-6z`);
          return;
        }
        if (part.isEnd) {
          taken[bar.slot] = y;
          signs += 1;
        }
        words.push(() => {
          isNamed = this.stateWords(x, bar, part, isNamed, y, end) || isNamed;
        });
      });
    }
    this.flush();
    words.slice(0, 3 * WORDED).forEach((write) => write());
  }

  stretch(x, part, y, end) {
    const [from, to] = [Math.max(-4, y), Math.min(this.view.height + 4, end)];
    if (to > from) this.trace(`bar ${part.moment}`, `M${x} ${from.toFixed(1)}h6V${to.toFixed(1)}h-6z`);
  }

  /** Writes the state of a message, and its label unless that is visible. Returns whether the label is written now. */
  stateWords(x, bar, part, isNamed, y, end) {
    const { columns } = this;
    if (part.isEnd) {
      if (y < -8) return false;
      this.add("circle", { class: `end ${part.moment}`, cx: x + 3, cy: y, r: 6 });
      this.add("text", { class: "end-sign", x: x + 3, y: y + 0.5 }, SIGNS[part.moment]);
    }
    // A state that started above the view has its text at the top.
    const top = Math.max(y, 9);
    const words = isNamed ? part.moment : `${bar.label} ${part.moment}`;
    const isUpright = !columns.areSlotsWide;
    if (isUpright && columns.slot < TEXT_PITCH) return false;
    const room = isUpright ? end - top - 6 : columns.slot - 18;
    const tall = part.isEnd ? (this.isRoomy ? Infinity : 0) : end - top;
    if (tall < TEXT_PITCH - 3 || (isUpright && (part.isEnd || room < widthOf(words, SMALL)))) return false;
    const place = isUpright ? { transform: `translate(${x + 13} ${top - 3}) rotate(90)` } : { x: x + 13, y: top };
    const text = element("text", { class: `state ${part.moment} halo`, ...place });
    if (!isNamed) {
      const name = fitted(bar.label, room - widthOf(` ${part.moment}`, SMALL), SMALL);
      text.append(element("tspan", { class: "name" }, name || fitted(bar.label, room, SMALL)));
      if (name) text.append(element("tspan", {}, ` ${part.moment}`));
    } else {
      text.append(element("tspan", {}, fitted(part.moment, room, SMALL)));
    }
    text.append(element("title", {}, `${bar.label}: ${part.moment}`));
    this.parts.append(text);
    return true;
  }

  get isRoomy() {
    return this.axis.isTrue || this.view.scale >= 11;
  }

  /** The findings. */
  findings() {
    const { axis, columns, view } = this;
    const inView = this.shown.findingRows
      .map(([row]) => this.y(axis.positions[row]))
      .filter((y) => y > -10 && y < view.height + 10);
    for (const y of inView) {
      this.trace("finding-line", `M${columns.tick - 3} ${y}H${columns.text - 8}`);
      this.trace("finding-flag", `M${columns.tick - 3} ${y - 7}h14v14h-14z`);
    }
    this.flush();
    for (const y of inView.slice(0, WORDED)) {
      this.add("text", { class: "finding-sign", x: columns.tick + 4, y: y + 0.5 }, "!");
    }
  }

  /** The texts of the rows for which there is room, the most important first. */
  texts() {
    const { axis } = this;
    const ranks = [[], [], [], []];
    for (let row = this.first; row < this.last; row += 1) ranks[this.rank(row)].push(row);
    const taken = new Map();
    const isFree = (y) => {
      const place = Math.floor(y / TEXT_PITCH);
      const near = [taken.get(place - 1), taken.get(place), taken.get(place + 1)];
      return near.every((other) => other === undefined || Math.abs(other - y) >= TEXT_PITCH);
    };
    const chosen = [];
    for (const row of ranks.flat()) {
      const y = this.y(axis.positions[row]);
      if (!isFree(y)) continue;
      taken.set(Math.floor(y / TEXT_PITCH), y);
      chosen.push(row);
    }
    chosen.sort((one, other) => one - other);
    chosen.forEach((row, place) => {
      const next = place + 1 < chosen.length ? chosen[place + 1] : this.last;
      this.row(row, this.y(axis.positions[row]), next - row - 1);
    });
  }

  /** The importance of a row: 0 is the highest. */
  rank(row) {
    const { event, finding } = this.axis.rows[row];
    if (finding !== undefined || row === this.shown.selected) return 0;
    const { kind, headline } = this.shown.events[event];
    if (kind !== "wire") return 1;
    return headline.startsWith("cloud.message.") ? 2 : 3;
  }

  /** The text of one row, and the number of rows below without room. */
  row(row, y, left) {
    const { axis, columns, shown } = this;
    const { event, finding } = axis.rows[row];
    const words = shown.wordsOf(axis.rows[row]);
    const isSelected = row === shown.selected;
    const group = element("g", { role: "option", id: `row-${row}`, "aria-selected": isSelected });
    const kind = finding !== undefined ? "finding" : shown.events[event].kind;
    if (kind === "step" && words.line > 0) {
      group.append(element("text", { class: "step-line", x: columns.tick + 9, y }, words.line));
    }
    const end = columns.textEnd;
    const x = columns.text + columns.who;
    if (columns.who > 0) {
      const who = fitted(words.who, columns.who - 10, SMALL);
      group.append(element("text", { class: "who", x: columns.text, y }, who));
    }
    const more = left > 0 ? `+${left}` : "";
    const room = end - x - (more ? 34 : 0);
    const font = kind === "wire" ? FONT : BOLD;
    const headline = fitted(words.headline, room, font);
    const text = element("text", { x, y, class: `${kind}-text` });
    text.append(element("tspan", {}, headline));
    const used = widthOf(headline, font) + 10;
    const { detail } = words;
    if (detail && room - used > 40) {
      const look = kind === "finding" ? {} : { class: "detail" };
      text.append(element("tspan", { ...look, dx: 8, "font-weight": 400 }, fitted(detail, room - used, FONT)));
    }
    group.append(text);
    if (more) group.append(element("text", { class: "more", x: end, y, "text-anchor": "end" }, more));
    this.parts.append(group);
  }

  /** The overview: the whole run in a column, with the visible part marked. */
  map() {
    const { axis, columns, shown, view } = this;
    const { width } = columns.map;
    const height = view.height;
    const at = (position) => (position / axis.end) * (height - 4) + 2;
    this.add("rect", { class: "map-ground", x: 0, y: 0, width, height });
    const [tall, parts] = shown.density(height);
    for (const [y, count] of parts) {
      const wide = Math.min(width - 14, 4 + Math.log2(1 + count) * 4);
      this.trace("map-events", `M6 ${y}h${wide.toFixed(1)}v${tall}h${(-wide).toFixed(1)}z`);
    }
    for (const fault of shown.faults.slice(0, 1000)) {
      const [top, bottom] = this.span(fault).map((y) => at(Math.min(axis.end, y / view.scale + view.top)));
      this.trace("map-faults", `M${width - 6} ${top.toFixed(1)}h4v${Math.max(2, bottom - top).toFixed(1)}h-4z`);
    }
    for (const [row] of shown.findingRows.slice(0, 1000)) {
      this.trace("map-findings", `M2 ${at(axis.positions[row]).toFixed(1)}H${width - 2}`);
    }
    this.flush();
    const top = at(Math.max(0, view.top));
    const bottom = at(Math.min(axis.end, view.top + height / view.scale));
    this.add("rect", { class: "map-view", x: 0.5, y: top, width: width - 1, height: Math.max(6, bottom - top) });
  }
}
