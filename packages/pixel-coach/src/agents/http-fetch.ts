/**
 * `fetch` for model servers. The built-in one gives up when a server sends nothing for five minutes, and a large prompt on a small
 * machine takes longer; here only the agent's own time limit counts.
 */
import { Agent as Connections, fetch as undiciFetch } from 'undici';

const connections = new Connections({ headersTimeout: 0, bodyTimeout: 0, connectTimeout: 10_000 });

export const modelFetch: typeof fetch = ((input: string | URL, init?: object) =>
  undiciFetch(input, { ...init, dispatcher: connections })) as unknown as typeof fetch;

/** For questions about a server, as against calls of its models. */
const QUESTION_MILLISECONDS = 5000;
const MAX_ANSWER_BYTES = 4_000_000;

export interface JsonAnswer {
  readonly status: number;
  /** Undefined when it is no JSON. */
  readonly body: unknown;
}

/** GET (or POST, with a body), and what came back. Throws what fetch throws. */
export async function askJson(
  url: string,
  options: {
    readonly headers?: Readonly<Record<string, string>> | undefined;
    readonly post?: object;
    readonly signal?: AbortSignal | undefined;
    readonly timeoutMilliseconds?: number;
  } = {},
): Promise<JsonAnswer> {
  const { headers = {}, post, signal, timeoutMilliseconds = QUESTION_MILLISECONDS } = options;
  const timeout = AbortSignal.timeout(timeoutMilliseconds);
  const response = await modelFetch(url, {
    headers: { ...headers, ...(post && { 'content-type': 'application/json' }) },
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    ...(post && { method: 'POST', body: JSON.stringify(post) }),
  });
  const text = await readText(response);
  try {
    return { status: response.status, body: JSON.parse(text) };
  } catch {
    return { status: response.status, body: undefined };
  }
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const part of response.body ?? []) {
    text += decoder.decode(part, { stream: true });
    if (text.length > MAX_ANSWER_BYTES) break;
  }
  return text;
}
