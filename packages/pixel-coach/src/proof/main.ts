/** The main module of a test file's process in the sandbox; guard.ts was loaded before, by --import. */
import { begin } from './guard.ts';

await begin(process.argv[2] ?? '');
