/** Writes the JSON Schemas that editors use, from the zod schemas that the program checks with. */
import { writeFileSync } from 'node:fs';
import { configJsonSchema } from '../src/config/load-config.ts';

writeFileSync(
  new URL('../pixel-coach.config.schema.json', import.meta.url),
  `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
);
