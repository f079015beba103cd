/** Writes the coach's published JSON Schemas from the schemas in its sources: `node scripts/coach-schema.ts`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { roadmapJsonSchema } from '../packages/pixel-coach/src/roadmap/schema.ts';

const folder = join(import.meta.dirname, '..', 'packages', 'pixel-coach');
writeFileSync(join(folder, 'coach.schema.json'), `${JSON.stringify(roadmapJsonSchema(), null, 2)}\n`);
