/** `map export`: a map as a folder that any web server can serve. */
import { copyFile, mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { fileError } from '../../core/node.ts';
import { isUrl, openMap, pictureOf } from '../../map/node.ts';
import { isMounted, type MapRegion } from '../../map/tile-store.ts';
import { pictureNames } from '../../pxi/set-names.ts';
import type { CommandContext } from '../command.ts';
import { writeWhole } from '../write-whole.ts';

interface ExportFlags {
  pictures: boolean;
}

export function registerMapExport(map: Command, context: CommandContext): void {
  map
    .command('export')
    .description('Write a map as a folder of plain files, to be read from any web server (openHttpMap in a page).')
    .argument('<map>', 'a .pxmap file')
    .argument('<folder>', 'folder to write; it is made if it is not there')
    .option('--no-pictures', 'leave mounted pictures out: put them into FOLDER/pictures yourself')
    .addHelpText('after', '\nExample:\n  pixel-llm map export plane.pxmap site/plane')
    .action(async (path: string, folder: string, { pictures }: ExportFlags) => {
      const { signal } = context;
      await mkdir(join(folder, 'pictures'), { recursive: true }).catch((error) => {
        throw fileError(error, folder);
      });
      await using opened = openMap(path, { readOnly: true });
      const mounted = (await opened.regions({ signal })).filter(isMounted);
      await context.withProgress(async (onProgress) => {
        for (const [done, region] of mounted.entries()) {
          if (pictures) await copyPictures(path, folder, region);
          onProgress({ phase: 'copying', done: done + 1, total: mounted.length, unit: 'files' });
        }
      });
      const write = (file: string, bytes: Uint8Array) => writeWhole(join(folder, file), bytes);
      const { tiles, files } = await opened.export(write, { picturePath, signal });
      context.note(`${folder}: ${tiles} tiles in ${files} files, ${mounted.length} mounted pictures`);
    });
}

function picturePath({ mount }: MapRegion): string {
  const { path = '' } = mount ?? {};
  return isUrl(path) ? path : `pictures/${basename(path)}`;
}

async function copyPictures(map: string, folder: string, region: MapRegion): Promise<void> {
  const { path, lines } = region.mount!;
  if (isUrl(path)) return;
  const source = pictureOf(map, path);
  const names =
    lines.length === 1 ? [source] : pictureNames(source.replace(/-\d{5}-of-\d{5}(?=\.pxi\.png$)/, ''), lines.length);
  for (const name of names) {
    try {
      await copyFile(name, join(folder, 'pictures', basename(name)));
    } catch (error) {
      throw fileError(error, name);
    }
  }
}
