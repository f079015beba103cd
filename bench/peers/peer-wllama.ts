/**
 * wllama: llama.cpp in WebAssembly, in a headless Chromium, by its build with threads. A child process of peers.ts.
 * PEERS_CHROMIUM names the browser if it is not at /usr/bin/chromium.
 */
import type { Server } from 'node:http';
import { type Browser, chromium, type Page } from 'playwright-core';
import {
  type GenerateAnswer,
  type GenerateRequest,
  type LikeliestAnswer,
  type LikeliestRequest,
  type LoadAnswer,
  type LoadRequest,
  serveRequests,
} from './protocol.ts';
import { serveWllama } from './wllama-server.ts';

/** What wllama-page.js answers for each prompt. */
interface Completion {
  readonly promptMilliseconds: number;
  readonly predictedMilliseconds: number;
}

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-extensions',
  '--no-first-run',
];
/** Nothing here should take longer; a hang becomes a failure. */
const TIMEOUT_MILLISECONDS = 600_000;

let running: { server: Server; browser: Browser; page: Page } | undefined;

serveRequests({ load, generate, likeliest, distributions, dispose });

async function load(request: LoadRequest): Promise<LoadAnswer> {
  await dispose();
  const { server, url } = await serveWllama(request.path);
  const executablePath = process.env.PEERS_CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS });
  const page = await browser.newPage();
  page.setDefaultTimeout(TIMEOUT_MILLISECONDS);
  running = { server, browser, page };
  await page.goto(url);
  await page.waitForFunction('globalThis.peer');
  const { version, isolated } = (await call('load', request)) as { version: string; isolated: boolean };
  if (!isolated) throw new Error('The page is not isolated, so wllama would have no threads.');
  return { version: `llama.cpp ${version}, Chromium ${browser.version()}`, device: 'cpu' };
}

/** By the clock inside the runtime, which leaves out the browser's messages: the comparison is with its kernels at their best. */
async function generate(request: GenerateRequest): Promise<GenerateAnswer> {
  const completions = (await call('generate', request)) as readonly Completion[];
  const most = (pick: (completion: Completion) => number) => Math.max(...completions.map(pick)) / 1000;
  return {
    // It tells the text, not the tokens: that it made as many as asked for, the page has checked.
    tokens: completions.map(() => []),
    promptSeconds: most(({ promptMilliseconds }) => promptMilliseconds),
    decodeSeconds: most(({ predictedMilliseconds }) => predictedMilliseconds),
    decodedTokens: completions.length * (request.tokens - 1),
  };
}

async function likeliest(request: LikeliestRequest): Promise<LikeliestAnswer> {
  return (await call('likeliest', request)) as LikeliestAnswer;
}

async function distributions(): Promise<never> {
  throw new Error('wllama tells the likeliest tokens only, not the whole distribution.');
}

function call(name: string, request: unknown): Promise<unknown> {
  if (!running) throw new Error('No model is loaded.');
  return running.page.evaluate(`globalThis.peer.${name}(${JSON.stringify(request)})`);
}

async function dispose(): Promise<void> {
  await running?.browser.close();
  running?.server.close();
  running = undefined;
}
