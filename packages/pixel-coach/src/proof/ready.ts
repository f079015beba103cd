/** Loaded after guard.ts and before everything else: nothing goes on until the guard's reporter is the process's. */
import { ready } from './guard.ts';

await ready;
