// Folds runs of alike events into one row, so that a long stream of chunks does not hide what happens around it.

/** An event is frequent if its headline occurs at least this often, and a run is folded from this length on. */
const FREQUENT = 24;
const SHORTEST_FOLD = 4;

/** The headlines that occur often, for all events. */
function frequentHeadlines(events) {
  const counts = new Map();
  for (const { headline, kind } of events) {
    if (kind === "wire") counts.set(headline, (counts.get(headline) || 0) + 1);
  }
  return new Set([...counts].filter(([, count]) => count >= FREQUENT).map(([headline]) => headline));
}

/** Joins runs of rows with frequent events. A joined row is `{at, event, fold}` with all its events. */
function folded(rows, isFoldable) {
  const result = [];
  let fold = [];
  const end = () => {
    if (fold.length >= SHORTEST_FOLD) result.push({ ...fold[0], fold: fold.map((row) => row.event) });
    else result.push(...fold);
    fold = [];
  };
  for (const row of rows) {
    if (row.event !== undefined && isFoldable(row.event)) {
      fold.push(row);
    } else {
      end();
      result.push(row);
    }
  }
  end();
  return result;
}
