/** The device `cpu`: WebAssembly kernels, in as many threads as the machine has cores. */
import { PixelError } from '../../core/errors.ts';
import type { Program } from '../../program/program.ts';
import { validateProgram } from '../../program/validate.ts';
import type { WeightSource } from '../../pxi/weight-source.ts';
import { checkTensor } from '../reference/load-weights.ts';
import { type Backend, DEFAULT_PAGE_TOKENS, KV_TYPES, type KvType, type LoadOptions } from '../types.ts';
import { CpuExecutor } from './executor.ts';
import { type KernelBuild, KernelModule, supportedBuild } from './kernel-module.ts';
import type { CachePages } from './kv-cache.ts';
import { loadShares } from './load-shares.ts';
import { LocalTeam } from './local-team.ts';
import { LogitSampler } from './logit-sampler.ts';
import { cpuPlatform } from './platform.ts';
import { checkShares, estimateBytes } from './share-sizes.ts';
import type { Team } from './team.ts';
import { planThreads } from './thread-plan.ts';
import { ThreadShare } from './thread-share.ts';
import { webPlatform } from './web-threads.ts';
import { placeWeights, wideningNotes } from './weight-placement.ts';
import { WorkerTeam } from './worker-team.ts';

export interface CpuOptions {
  /** Default: physical cores, as far as can be known; one where threads cannot share memory. */
  threads?: number | undefined;
  /** Default: what the machine can run best. */
  build?: KernelBuild | undefined;
  /** What keys and values are kept in. Default `f16`; `q8` takes 0.56 of its memory. */
  kvType?: KvType | undefined;
  /** Given one line for people about each kind of weights that cannot be kept as they are, when a model is loaded. */
  onNote?: ((line: string) => void) | undefined;
}

/** Throws `bad-argument`. */
export function createCpuBackend({
  threads: wanted,
  build = supportedBuild(),
  kvType = 'f16',
  onNote,
}: CpuOptions = {}): Backend {
  if (wanted !== undefined && !(Number.isSafeInteger(wanted) && wanted >= 1 && wanted <= MAX_THREADS)) {
    throw new PixelError('bad-argument', `threads is ${wanted}; it must be a whole number from 1 to ${MAX_THREADS}.`);
  }
  if (!KV_TYPES.includes(kvType)) {
    throw new PixelError('bad-argument', `There is no KV cache of "${kvType}": ${KV_TYPES.join(' or ')}.`);
  }
  const { startWorker, cores } = cpuPlatform(webPlatform);
  const threads = startWorker ? (wanted ?? Math.min(cores, MAX_THREADS)) : 1;
  return {
    device: 'cpu',
    description: `WebAssembly ${build === 'relaxed' ? 'relaxed ' : ''}SIMD, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    activations: 'q8',
    estimateBytes: (program, pages) => estimateBytes(program, { ...pages, kvType }, threads),
    async load(program, source, options) {
      const { pageCount, pageTokens = DEFAULT_PAGE_TOKENS } = options;
      for (const [name, value] of Object.entries({ pageCount, pageTokens })) {
        if (Number.isSafeInteger(value) && value >= (name === 'pageCount' ? 0 : 1)) continue;
        throw new PixelError('bad-argument', `${name} is ${value}; it must be a whole number.`);
      }
      const checked = validateProgram(program);
      for (const weight of checked.weights) checkTensor(weight, source);
      for (const line of wideningNotes(placeWeights(checked))) onNote?.(line);
      const pages = { pageCount, pageTokens, kvType };
      checkShares(checked, pages, threads);
      const compiled = await cpuPlatform(webPlatform).compileKernels(build, 'kernels');
      const sampler = new LogitSampler(new KernelModule(compiled));
      const team = await loadTeam({ program: checked, source, pages, compiled, threads, options });
      return new CpuExecutor({ program: checked, team, sampler, pages });
    },
  };
}

/** More would wait for each other longer than they compute. */
const MAX_THREADS = 64;

interface TeamParts {
  readonly program: Program;
  readonly source: WeightSource;
  readonly pages: CachePages;
  readonly compiled: WebAssembly.Module;
  readonly threads: number;
  readonly options: LoadOptions;
}

/** On any failure nothing stays behind. */
async function loadTeam({ program, source, pages, compiled, threads, options }: TeamParts): Promise<Team> {
  const plan = planThreads(program, threads);
  const placements = placeWeights(program);
  const { startWorker } = cpuPlatform(webPlatform);
  if (threads === 1 || !startWorker) {
    const module = new KernelModule(compiled);
    const share = new ThreadShare({ module, program, plan, thread: 0, pages });
    await loadShares(placements, source, [share], plan.rowCuts, options);
    return new LocalTeam(module, program, plan, share);
  }
  const team = new WorkerTeam(program, threads, startWorker);
  try {
    await team.start(compiled, pages);
    await loadShares(placements, source, team.loaders, plan.rowCuts, options);
    team.serve();
    return team;
  } catch (error) {
    await team.dispose();
    throw error;
  }
}
