/** How regions are listed. */
import type { MapRegion } from '../../map/tile-store.ts';
import type { CommandContext } from '../command.ts';

/** One line a region: name, kind, place, and the picture it is read from. */
export async function printRegions(
  regions: readonly MapRegion[],
  json: boolean,
  context: CommandContext,
): Promise<void> {
  if (json) return context.print(`${JSON.stringify(regions, null, 2)}\n`);
  const width = Math.max(0, ...regions.map(({ name }) => name.length));
  for (const { name, kind, mount, ...at } of regions) {
    const from = mount ? `  ${mount.path}` : '';
    await context.print(
      `${name.padEnd(width)}  ${kind.padEnd(12)}  ${at.width} x ${at.height} at ${at.x},${at.y}${from}\n`,
    );
  }
  if (regions.length === 0) context.note('No regions.');
}
