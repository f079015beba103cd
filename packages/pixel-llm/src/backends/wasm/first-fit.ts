/** Where values lie that share one stretch of memory: those that are never needed at the same time may have the same place. */

/** A value that is needed from one step to another, both included. */
export interface Lifetime {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** First fit: values in the order in which they are first needed, each at the lowest place free while it lives. */
export function firstFit<Item extends Lifetime>(items: readonly Item[]): { offsets: Map<Item, number>; bytes: number } {
  const offsets = new Map<Item, number>();
  const taken: { start: number; end: number; item: Item }[] = [];
  let most = 0;
  for (const item of items.toSorted((a, b) => a.from - b.from)) {
    let start = 0;
    for (const other of taken) {
      const livesTogether = other.item.from <= item.to && item.from <= other.item.to;
      if (livesTogether && other.start < start + item.bytes && start < other.end) start = other.end;
    }
    taken.push({ start, end: start + item.bytes, item });
    taken.sort((a, b) => a.start - b.start);
    offsets.set(item, start);
    most = Math.max(most, start + item.bytes);
  }
  return { offsets, bytes: most };
}
