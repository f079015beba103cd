/**
 * A model server for tests that speaks real HTTP: the OpenAI protocol (`/v1/models`, `/v1/chat/completions`, streamed or not), enough of
 * Gemini's (`/v1beta/models/MODEL:generateContent`), and the side doors by which Ollama and llama.cpp tell their context window. Who
 * answers what is in the scripts it is started with.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chatCompletion, chatCompletionChunks, geminiAnswer, geminiRequest, geminiUsage } from './protocol.ts';
import type { Script, ScriptedAnswer, ScriptedRequest, ScriptedUsage } from './script.ts';

export interface ScriptedServerOptions {
  /** 0, the default, is a free port. */
  readonly port?: number;
  /** Answers are kept apart by subject: a model's turn is counted for each. Default: one subject for all. */
  readonly subjectOf?: (request: ScriptedRequest) => string;
  /** Plays Ollama with this context window: prompts are cut to it without a word. */
  readonly ollamaContextTokens?: number;
  /** Plays llama.cpp's server with this context window. */
  readonly llamaCppContextTokens?: number;
  /** Requests without this bearer token (or Gemini key) are refused. */
  readonly apiKey?: string;
}

interface ServedCall {
  readonly model: string;
  readonly path: string;
  readonly request: ScriptedRequest;
  readonly turn: number;
  readonly status: number;
  readonly usage: ScriptedUsage | undefined;
}

export interface ScriptedServer extends AsyncDisposable {
  readonly origin: string;
  /** `origin` + `/v1`. */
  readonly baseUrl: string;
  /** Every model call that was answered, in order. */
  readonly calls: readonly ServedCall[];
  close(): Promise<void>;
}

/** Characters a token, for servers that were given no usage. */
const CHARACTERS_A_TOKEN = 4;

export async function startScriptedServer(
  scripts: Readonly<Record<string, Script>>,
  options: ScriptedServerOptions = {},
): Promise<ScriptedServer> {
  const { port = 0, subjectOf = () => '' } = options;
  const calls: ServedCall[] = [];
  const turns = new Map<string, number>();
  const server = createServer((incoming, response) => {
    serve(incoming, response).catch((error) => {
      if (!response.headersSent) sendJson(response, 500, { error: { message: String(error) } });
      else response.destroy();
    });
  });

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(incoming.url ?? '/', 'http://localhost').pathname;
    if (options.apiKey !== undefined && !isAllowed(incoming, options.apiKey)) {
      sendJson(response, 401, { error: { message: 'Incorrect API key provided.' } });
    } else if (incoming.method === 'GET') serveFacts(path, response);
    else await serveModel(path, await readBody(incoming), response);
  }

  function serveFacts(path: string, response: ServerResponse): void {
    const facts = factsOf(path);
    sendJson(response, facts === undefined ? 404 : 200, facts ?? { error: { message: 'Not found.' } });
  }

  function factsOf(path: string): object | undefined {
    const { ollamaContextTokens, llamaCppContextTokens } = options;
    const names = Object.keys(scripts);
    if (path === '/v1/models') return { object: 'list', data: names.map((id) => ({ id, object: 'model' })) };
    if (path === '/v1beta/models') return { models: names.map((name) => ({ name: `models/${name}` })) };
    if (ollamaContextTokens !== undefined) {
      if (path === '/api/version') return { version: '0.14.0' };
      if (path === '/api/ps') {
        return { models: names.map((name) => ({ name, model: name, context_length: ollamaContextTokens })) };
      }
    }
    if (llamaCppContextTokens !== undefined && path === '/props') {
      return { default_generation_settings: { n_ctx: llamaCppContextTokens } };
    }
    const gemini = /^\/v1beta\/models\/([^:/]+)$/.exec(path)?.[1];
    return gemini !== undefined && names.includes(gemini)
      ? { name: `models/${gemini}`, inputTokenLimit: 1_000_000 }
      : undefined;
  }

  async function serveModel(path: string, body: Record<string, unknown>, response: ServerResponse): Promise<void> {
    const gemini = /^\/v1beta\/models\/([^:/]+):(generateContent|streamGenerateContent)$/.exec(path);
    if (path === '/api/generate') return sendJson(response, 200, { done: true, done_reason: 'load' });
    if (path !== '/v1/chat/completions' && !gemini) {
      return sendJson(response, 404, { error: { message: `There is no ${path}.` } });
    }
    const request = gemini ? geminiRequest(gemini[1] ?? '', body) : openAiRequest(body);
    const script = scripts[request.model];
    if (!script) return sendJson(response, 404, { error: { message: `The model "${request.model}" was not found.` } });
    const subject = `${request.model}\n${subjectOf(request)}`;
    const turn = turns.get(subject) ?? 0;
    turns.set(subject, turn + 1);
    const answer = script(request, turn);
    const usage = answer.kind === 'text' ? (answer.usage ?? countTokens(request, answer.text)) : undefined;
    calls.push({
      model: request.model,
      path,
      request,
      turn,
      status: answer.kind === 'status' ? answer.status : 200,
      usage,
    });
    const stream = gemini ? gemini[2] === 'streamGenerateContent' : body.stream === true;
    await send(answer, { request, usage, stream, gemini: gemini !== null }, response);
  }

  function countTokens(request: ScriptedRequest, text: string): ScriptedUsage {
    const inputTokens = Math.ceil(request.text.length / CHARACTERS_A_TOKEN);
    return {
      inputTokens: Math.min(inputTokens, options.ollamaContextTokens ?? inputTokens),
      outputTokens: Math.ceil(text.length / CHARACTERS_A_TOKEN),
    };
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { origin, baseUrl: `${origin}/v1`, calls, close, [Symbol.asyncDispose]: close };
}

interface Sending {
  readonly request: ScriptedRequest;
  readonly usage: ScriptedUsage | undefined;
  readonly stream: boolean;
  readonly gemini: boolean;
}

async function send(answer: ScriptedAnswer, sending: Sending, response: ServerResponse): Promise<void> {
  switch (answer.kind) {
    case 'status':
      return sendJson(
        response,
        answer.status,
        { error: { message: answer.message ?? `Status ${answer.status}.` } },
        answer.headers,
      );
    case 'raw':
      response.writeHead(200, { 'content-type': sending.stream ? 'text/event-stream' : 'application/json' });
      response.end(answer.body);
      return;
    case 'cut':
      return sendCut(answer.text, sending, response);
    case 'endless':
      return sendEndless(answer, sending, response);
    case 'text':
      await pause(answer.delayMs ?? 0, response);
      return sendText(answer.text, sending, response);
  }
}

function sendText(text: string, { request, usage, stream, gemini }: Sending, response: ServerResponse): void {
  if (!usage) throw new Error('A text needs a usage.');
  if (gemini) {
    const answer = { ...geminiAnswer(text), usageMetadata: geminiUsage(usage) };
    sendEvents(stream, answer, [JSON.stringify(answer)], response);
  } else {
    const whole = chatCompletion(request.model, text, usage);
    sendEvents(stream, whole, chatCompletionChunks(request.model, text, usage), response);
  }
}

/** The whole answer, or its events. */
function sendEvents(stream: boolean, whole: object, events: Iterable<string>, response: ServerResponse): void {
  if (stream) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of events) response.write(`data: ${event}\n\n`);
    response.end();
  } else sendJson(response, 200, whole);
}

function sendCut(text: string, { request, stream }: Sending, response: ServerResponse): void {
  const usage = { inputTokens: 1, outputTokens: 1 };
  response.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
  const whole = stream
    ? `data: ${[...chatCompletionChunks(request.model, text, usage)][0]}\n\n`
    : JSON.stringify(chatCompletion(request.model, text, usage));
  response.write(whole.slice(0, Math.ceil(whole.length / 2)), () => response.destroy());
}

async function sendEndless(
  { text, repeat }: Extract<ScriptedAnswer, { kind: 'endless' }>,
  { request, stream }: Sending,
  response: ServerResponse,
): Promise<void> {
  if (!stream) {
    const usage = { inputTokens: 1, outputTokens: repeat };
    return sendJson(response, 200, chatCompletion(request.model, text.repeat(repeat), usage));
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const left = new AbortController();
  const closed = once(response, 'close').then(() => left.abort());
  const [chunk] = chatCompletionChunks(request.model, text, { inputTokens: 1, outputTokens: 1 });
  for (let index = 0; index < repeat && !response.destroyed; index++) {
    if (!response.write(`data: ${chunk}\n\n`)) {
      await Promise.race([once(response, 'drain', { signal: left.signal }), closed]).catch(() => {});
    }
  }
  response.end('data: [DONE]\n\n');
}

function openAiRequest(body: Record<string, unknown>): ScriptedRequest {
  const messages = (body.messages as { role: string; content: string | { text?: string }[] }[]).map(
    ({ role, content }) => ({
      role,
      content: typeof content === 'string' ? content : content.map((part) => part.text ?? '').join(''),
    }),
  );
  return {
    model: String(body.model),
    messages,
    text: messages.map(({ content }) => content).join('\n'),
    body,
  };
}

function isAllowed(incoming: IncomingMessage, apiKey: string): boolean {
  return incoming.headers.authorization === `Bearer ${apiKey}` || incoming.headers['x-goog-api-key'] === apiKey;
}

async function readBody(incoming: IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || '{}');
}

function sendJson(
  response: ServerResponse,
  status: number,
  value: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

/** Ends early when the client leaves. */
function pause(milliseconds: number, response: ServerResponse): Promise<void> {
  if (milliseconds === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    response.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
