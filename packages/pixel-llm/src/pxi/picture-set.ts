/**
 * The pictures of one model, open: any of them names the others. What they say is checked here, as far as it can be without
 * reading the weights; reading them is for picture-weights.ts (planes) and picture-content.ts (the GGUF's bytes).
 */
import { type ByteSource, checkRange, type ReadOptions, totalLength } from '../core/byte-source.ts';
import { isPixelError, PixelError } from '../core/errors.ts';
import { createSha256 } from '../core/hashing.ts';
import { type GgufHead, readGgufHead } from '../gguf/reader.ts';
import type { OpenByteSource } from '../gguf/split.ts';
import { openPicture } from '../png/open-picture.ts';
import type { Picture } from '../png/picture.ts';
import type { FileRun } from './layout.ts';
import { type MemberManifest, MODEL_KINDS, readMemberManifest, readModelManifest } from './manifest.ts';
import { siblingNames } from './set-names.ts';
import { checkAgainstHead, resolveManifest, type StoredBytes, type StoredModel } from './stored-model.ts';

export interface OpenPictureSetOptions extends ReadOptions {
  /** Opens another file of the set by its name; throws `file-not-found` when there is none. Without it, one file must be all. */
  openSibling?: OpenByteSource | undefined;
}

/** Owns the pictures. */
export interface PictureSet {
  /** The name it was opened by. */
  readonly name: string;
  /** In order. */
  readonly pictures: readonly Picture[];
  readonly model: StoredModel;
  readonly head: GgufHead;
  /** Fills `target` with bytes of a run from `start` on. */
  readRun(run: FileRun, start: number, target: Uint8Array, options?: ReadOptions): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * Opens the model that a picture belongs to. The source belongs to the set from here on; it is closed when this throws.
 * Throws `unknown-format` (a picture of something else), `missing-part`, `bad-manifest`, `damaged-picture`, `bad-png`,
 * `truncated`, `limit-exceeded`, and what reading throws.
 */
export async function openPictureSet(source: ByteSource, options: OpenPictureSetOptions = {}): Promise<PictureSet> {
  return openSetOf(source.name, await openPictures(source, options, refuseOtherKinds), options);
}

/**
 * Opens a picture of any kind, and for a model's the others of its set, in order; nothing of what they hold is read but the short manifests.
 * `check` may refuse the first. Throws as `openPictureSet`.
 */
export async function openPictures(
  source: ByteSource,
  options: OpenPictureSetOptions = {},
  check: (picture: Picture) => void = () => {},
): Promise<readonly Picture[]> {
  const opened: Picture[] = [];
  try {
    const picture = await openPicture(source, options);
    opened.push(picture);
    check(picture);
    if (!isModelPicture(picture)) return opened;
    const given = { picture, manifest: await readMemberManifest(picture, options) };
    const members = await openMembers(given, opened, options);
    return members.map((member) => member.picture);
  } catch (error) {
    await disposeAll(opened);
    throw error;
  }
}

/** The model in pictures that were opened by `openPictures`. They belong to the set from here on, and are closed when this throws. */
export async function openSetOf(
  name: string,
  pictures: readonly Picture[],
  options: ReadOptions = {},
): Promise<PictureSet> {
  try {
    const model = await readModel(pictures, options);
    const readRun: PictureSet['readRun'] = (run, start, target, readOptions) =>
      pictures[run.file]!.readPixels(run.offset + start, [target], readOptions);
    const head = await readHead(model, name, readRun, options);
    const dispose = () => disposeAll(pictures);
    return { name, pictures, model, head, readRun, dispose };
  } catch (error) {
    await disposeAll(pictures);
    throw error;
  }
}

function isModelPicture({ superblock }: Picture): boolean {
  return MODEL_KINDS.some((known) => known === superblock.kind);
}

function refuseOtherKinds(picture: Picture): void {
  if (isModelPicture(picture)) return;
  const { kind } = picture.superblock;
  const advice = kind === 'bytes' ? ': `pixel-llm fs get` gives the file in it back' : '';
  throw new PixelError('unknown-format', `${picture.name} is a picture of kind "${kind}", not a model${advice}.`);
}

/** So many missing files are looked for; then it is clear that the set is not there. */
const MOST_MISSING = 100;

interface Member {
  readonly picture: Picture;
  readonly manifest: MemberManifest;
}

async function openMember(source: ByteSource, opened: Picture[], options: ReadOptions): Promise<Member> {
  const picture = await openPicture(source, options);
  opened.push(picture);
  refuseOtherKinds(picture);
  return { picture, manifest: await readMemberManifest(picture, options) };
}

async function openMembers(
  given: Member,
  opened: Picture[],
  { openSibling, ...options }: OpenPictureSetOptions,
): Promise<Member[]> {
  const { index, count } = given.manifest.set;
  if (count === 1) return [given];
  const names = siblingNames(given.picture.name, count);
  if (!names || !openSibling) throw unreachable(given, names !== undefined);
  const members: Member[] = [];
  const missing: string[] = [];
  for (const [at, name] of names.entries()) {
    if (missing.length === MOST_MISSING) break;
    if (at === index) members.push(given);
    else {
      const source = await openSibling(name).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
        missing.push(name);
      });
      if (source) members.push(await openMember(source, opened, options));
    }
  }
  if (missing.length > 0) throw missingParts(given.picture.name, count, missing);
  for (const [at, member] of members.entries()) checkMember(given, member, at);
  return members;
}

function isMissing(error: unknown): boolean {
  return isPixelError(error, 'file-not-found') || (isPixelError(error, 'http') && error.details.status === 404);
}

function missingParts(name: string, count: number, missing: readonly string[]): PixelError {
  const listed = missing.slice(0, 10).join(', ') + (missing.length > 10 ? ', ...' : '');
  const number = missing.length === MOST_MISSING ? `, at least ${MOST_MISSING} of them` : '';
  const message = `${name} is one of ${count} pictures of a model; missing${number}: ${listed}.`;
  return new PixelError('missing-part', message, { details: { missing } });
}

function unreachable({ picture, manifest: { set } }: Member, isNamed: boolean): PixelError {
  const which = `${picture.name} is picture ${set.index + 1} of ${set.count} of a model`;
  if (isNamed)
    return new PixelError('missing-part', `${which}; the others are not at hand: open it by its path or URL.`);
  const example = `NAME-${String(set.index + 1).padStart(5, '0')}-of-${String(set.count).padStart(5, '0')}.pxi.png`;
  return new PixelError(
    'missing-part',
    `${which}, but the others cannot be found by its name: call it ${example} again.`,
  );
}

function checkMember(given: Member, { picture, manifest }: Member, at: number): void {
  const { set } = manifest;
  if (set.id !== given.manifest.set.id) {
    const message = `${picture.name} belongs to another model than ${given.picture.name}: get both from the same place again.`;
    throw new PixelError('missing-part', message, { details: { missing: [picture.name] } });
  }
  if (set.index === at && set.count === given.manifest.set.count) return;
  const message = `${picture.name} says it is picture ${set.index + 1} of ${set.count}, but its name says ${at + 1}.`;
  throw new PixelError('bad-manifest', message);
}

async function readModel(pictures: readonly Picture[], options: ReadOptions): Promise<StoredModel> {
  const [first] = pictures;
  if (!first) throw new PixelError('bad-argument', 'A set has at least one picture.');
  const model = resolveManifest(await readModelManifest(first, options), first.name);
  for (const [index, picture] of pictures.entries()) {
    const contentEnd = (model.contentLines[index] ?? 0) * model.width * 4;
    if (picture.width === model.width && contentEnd <= picture.superblock.manifest.offset) continue;
    throw new PixelError('bad-manifest', `${picture.name} has not the size that the manifest gives for it.`);
  }
  return model;
}

/** Reads the GGUF head out of the pixels; nothing behind it is there to be read. */
async function readHead(
  model: StoredModel,
  name: string,
  readRun: PictureSet['readRun'],
  options: ReadOptions,
): Promise<GgufHead> {
  const bytes = await readStored(model.head, readRun, options);
  const hash = createSha256();
  hash.update(bytes);
  if (hash.digestHex() !== model.head.sha256) {
    throw new PixelError(
      'damaged-picture',
      `${name}: the GGUF head in it is damaged: its SHA-256 is not the one in the manifest. \`pixel-llm verify\` names the lines.`,
    );
  }
  const source: ByteSource = {
    name,
    size: model.byteLength,
    async read(offset, targets) {
      checkRange({ name, size: bytes.length }, offset, totalLength(targets));
      let at = offset;
      for (const target of targets) {
        target.set(bytes.subarray(at, at + target.length));
        at += target.length;
      }
    },
    dispose: async () => {},
  };
  const head = await readGgufHead(source, { ...options, firstBytes: Math.max(1, bytes.length) });
  checkAgainstHead(model, head, name);
  return head;
}

async function readStored(
  stored: StoredBytes,
  readRun: PictureSet['readRun'],
  options: ReadOptions,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(stored.byteLength);
  let at = 0;
  for (const run of stored.runs) {
    await readRun(run, 0, bytes.subarray(at, at + run.byteLength), options);
    at += run.byteLength;
  }
  return bytes;
}

async function disposeAll(pictures: readonly Picture[]): Promise<void> {
  await Promise.all(pictures.map((picture) => picture.dispose()));
}
