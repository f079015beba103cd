/** What stands in fixtures/map-v1.pxmap. */
import { FARTHEST } from '../src/map/coordinates.ts';
import type { MapRegion } from '../src/map/tile-store.ts';
import type { Rectangle } from '../src/pxi/weight-space.ts';

/** Written one after the other: whole tiles and parts, over one another, far out and at the end of the plane. */
export const GROUND_PLACES: readonly Rectangle[] = [
  { x: -13, y: -7, width: 40, height: 30 },
  { x: 3, y: 2, width: 9, height: 17 },
  { x: 1e12, y: -1e12, width: 10, height: 3 },
  { x: FARTHEST - 4, y: -FARTHEST, width: 5, height: 5 },
];

export const REGIONS: readonly MapRegion[] = [
  {
    name: 'model',
    kind: 'model',
    x: -13,
    y: -7,
    width: 40,
    height: 30,
    metadata: { source: 'a.pxi.png', parts: [1, 2] },
  },
  { name: 'Ünïcode, "quoted"', kind: 'note', x: 1e12, y: -1e12, width: 10, height: 3, metadata: {} },
  {
    name: 'mounted',
    kind: 'model',
    x: 2e12,
    y: 40,
    width: 64,
    height: 30,
    metadata: {},
    mount: { path: 'models/gone.pxi.png', sha256: '0'.repeat(64), lines: [10, 20] },
  },
  { name: 'the end', kind: 'note', x: FARTHEST - 4, y: -FARTHEST, width: 5, height: 5, metadata: { text: null } },
];
