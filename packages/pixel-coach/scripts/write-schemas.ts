/** Writes the JSON Schemas that editors use, from the zod schemas that the program checks with. */
import { writeFileSync } from 'node:fs';
import { configJsonSchema } from '../src/config/load-config.ts';
import { roadmapJsonSchema } from '../src/roadmap/schema.ts';

write('pixel-coach.config.schema.json', configJsonSchema());
write('coach.schema.json', roadmapJsonSchema());

function write(name: string, schema: unknown): void {
  writeFileSync(new URL(`../${name}`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`);
}
