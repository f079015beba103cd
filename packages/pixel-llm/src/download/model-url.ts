/**
 * The URL of a model, taken apart: what to fetch, what to call it in a folder and in messages, and who is asking. Names and
 * passwords in a URL, and its query (which may be signed), appear in no message and no file.
 */
import { PixelError } from '../core/errors.ts';
import { createSha256 } from '../core/hashing.ts';
import { namedMembers } from '../pxi/set-names.ts';

export interface RemoteFile {
  readonly url: URL;
  /** Safe as a file's name on every system. */
  readonly name: string;
  /** Stands for the URL in messages. */
  readonly display: string;
}

export interface RemoteModel {
  /** The same for every part of a set, another for every other URL. */
  readonly key: string;
  /** The file that the URL names; one of `files`. */
  readonly named: RemoteFile;
  /** All files of the set, in order. */
  readonly files: readonly RemoteFile[];
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>;
}

/** True for a text that is meant as a URL and not as a path. */
export function isModelUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(text);
}

/** Throws `bad-argument` for what is no http or https URL. */
export function parseModelUrl(text: string): RemoteModel {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) {
    const protocol = url ? `${url.protocol}// cannot be pulled` : 'This is no URL';
    throw new PixelError('bad-argument', `${protocol}: give the http: or https: URL of a .pxi.png or .gguf file.`);
  }
  const headers = authorization(url);
  url.username = '';
  url.password = '';
  url.hash = '';
  const files = namedMembers(url.href).map((href) => remoteFile(new URL(href)));
  const named = files.find((file) => file.url.href === url.href) ?? remoteFile(url);
  return { key: keyOf(files[0] ?? named), named, files, headers };
}

function remoteFile(url: URL): RemoteFile {
  const hidden = url.search === '' ? '' : '?...';
  return { url, name: safeName(url.pathname), display: `${url.origin}${url.pathname}${hidden}` };
}

function keyOf({ url }: RemoteFile): string {
  const hash = createSha256();
  hash.update(new TextEncoder().encode(url.href));
  return hash.digestHex().slice(0, 16);
}

function authorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const pair = new TextEncoder().encode(`${decoded(username)}:${decoded(password)}`);
  return { authorization: `Basic ${btoa(String.fromCharCode(...pair))}` };
}

/** Bytes of a name; file systems take 255, and we add to it. */
const MOST_NAME_BYTES = 180;
/** Names that mean devices on Windows. */
const DEVICES = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

/** The last part of a URL's path, without what could leave the folder, hide the file or confuse a terminal. */
function safeName(pathname: string): string {
  const last = decoded(pathname.slice(pathname.lastIndexOf('/') + 1));
  let name = last.replace(/[\p{C}\p{Zl}\p{Zp}/\\:*?"<>|]/gu, '_').replace(/^[.\s]+|[.\s]+$/g, '');
  while (new TextEncoder().encode(name).length > MOST_NAME_BYTES) name = [...name].slice(1).join('');
  if (name === '') return 'model';
  return DEVICES.test(name) ? `_${name}` : name;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
