/**
 * A page that runs a model: drop a file or give an address, watch it load, let it write. All computing is in the worker that `loadModel`
 * starts; this file only shows what happens. It is served as it stands.
 */
import { cleanKeptModels, isPixelError, listDevices, listKeptModels, loadModel } from 'pixel-llm';

/** Larger pictures take the browser more memory to show than the model takes to run. */
const MOST_PICTURE_BYTES = 48e6;

const element = (id) => document.getElementById(id);
const [loadForm, writeForm, urlField, filesField] = ['load', 'write', 'url', 'files'].map(element);
const [note, speed, output, facts] = ['note', 'speed', 'text', 'facts'].map(element);
const [startButton, stopButton, drop, picture] = ['start', 'stop', 'drop', 'picture'].map(element);

let model;
let loading;
let writing;

urlField.value = new URLSearchParams(location.search).get('model') ?? '';
element('isolation').textContent = crossOriginIsolated
  ? `Several threads can compute here (${navigator.hardwareConcurrency} logical processors).`
  : 'This page is served without COOP and COEP headers, so one thread computes.';
void offerDevices();
void showKept();

loadForm.addEventListener('submit', (event) => {
  event.preventDefault();
  const url = urlField.value.trim();
  if (url === '') return say('Give the address of a .pxi.png or .gguf file, or drop one.', true);
  void load(url, url);
});
filesField.addEventListener('change', () => loadFiles([...filesField.files]));
for (const kind of ['dragenter', 'dragover']) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
}
for (const kind of ['dragleave', 'drop']) document.addEventListener(kind, () => drop.classList.remove('over'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  loadFiles([...(event.dataTransfer?.files ?? [])]);
});
element('cancel').addEventListener('click', () => loading?.abort());
stopButton.addEventListener('click', () => writing?.abort());
writeForm.addEventListener('submit', (event) => {
  event.preventDefault();
  void write();
});

function loadFiles(files) {
  if (files.length > 0) void load(files, files.map(({ name }) => name).join(', '));
}

/** One model at a time: what was loaded before gives its memory back first. */
async function load(source, name) {
  loading?.abort();
  writing?.abort();
  const controller = new AbortController();
  loading = controller;
  startButton.disabled = true;
  facts.hidden = true;
  say('');
  showProgress({ phase: 'opening', done: 0 });
  try {
    await model?.dispose();
    model = undefined;
    void showPicture(source, controller.signal);
    const device = element('device').value;
    const gpuAdapter =
      device === 'gpu' ? (new URLSearchParams(location.search).get('adapter') ?? undefined) : undefined;
    const options = {
      device,
      gpuAdapter,
      signal: controller.signal,
      onProgress: showProgress,
      onNote: (line) => say(line),
    };
    model = await loadModel(source, options);
    showFacts(name);
    say('');
    startButton.disabled = false;
    speed.textContent = 'Ready.';
  } catch (error) {
    if (loading === controller)
      say(isPixelError(error, 'aborted') ? 'Stopped. What has arrived is kept.' : messageOf(error), true);
  } finally {
    if (loading === controller) element('progress').hidden = true;
    void showKept();
  }
}

async function write() {
  const controller = new AbortController();
  writing = controller;
  startButton.disabled = true;
  stopButton.disabled = false;
  speed.classList.remove('wrong');
  speed.textContent = 'Reading the prompt …';
  const prompt = element('prompt').value;
  const given = document.createElement('span');
  given.className = 'given';
  given.textContent = prompt;
  const text = document.createTextNode('');
  output.replaceChildren(given, text);
  const session = model.createSession();
  try {
    const maxTokens = Number(element('tokens').value);
    const temperature = Number(element('temperature').value);
    const generation = session.generate(prompt, { maxTokens, temperature, signal: controller.signal });
    let count = 0;
    let begun = 0;
    for await (const piece of generation) {
      begun ||= performance.now();
      text.appendData(piece.text);
      output.scrollTop = output.scrollHeight;
      count++;
      const seconds = (performance.now() - begun) / 1000;
      if (count > 1) speed.textContent = `${count} tokens, ${((count - 1) / seconds).toFixed(1)} tokens/s`;
    }
    speed.textContent = summary(generation.result);
  } catch (error) {
    const stopped = isPixelError(error, 'aborted') || isPixelError(error, 'disposed');
    speed.classList.toggle('wrong', !stopped);
    speed.textContent = stopped ? `Stopped. ${speed.textContent}` : messageOf(error);
  } finally {
    session.dispose();
    stopButton.disabled = true;
    startButton.disabled = model === undefined;
  }
}

function summary({ tokens, promptTokens, promptMilliseconds, generateMilliseconds, finishReason }) {
  const reading = `${promptTokens} tokens read in ${Math.round(promptMilliseconds)} ms`;
  const rate =
    tokens.length > 1 ? `, ${(((tokens.length - 1) * 1000) / generateMilliseconds).toFixed(1)} tokens/s` : '';
  return `${reading}; ${tokens.length} written${rate} (${finishReason.replace(/-/g, ' ')}).`;
}

function showProgress({ phase, done, total, unit }) {
  const amount = unit === 'bytes' ? ` ${megabytes(done)}${total ? ` of ${megabytes(total)}` : ''}` : '';
  element('progress').hidden = false;
  element('phase').textContent = `${phase}${amount}`;
  const bar = element('bar');
  if (total) {
    bar.max = total;
    bar.value = done;
  } else bar.removeAttribute('value');
}

function showFacts(name) {
  const title = model.head.metadata.get('general.name')?.value;
  let weights = 0;
  for (const { dimensions } of model.head.tensors.values()) weights += dimensions.reduce((a, b) => a * b, 1);
  const rows = {
    Name: title ?? name,
    Architecture: `${model.architecture}, ${count(weights)} weights in ${model.head.tensors.size} tensors`,
    Context: `${model.contextLength} tokens`,
    Device: `${model.device}, about ${megabytes(model.memoryBytes)}`,
  };
  facts.replaceChildren(
    ...Object.entries(rows).flatMap(([term, value]) => {
      const [dt, dd] = [document.createElement('dt'), document.createElement('dd')];
      dt.textContent = term;
      dd.textContent = value;
      return [dt, dd];
    }),
  );
  facts.hidden = false;
}

/** The model as it is: its file, in an image element. */
async function showPicture(source, signal) {
  const isUrl = typeof source === 'string';
  const blob = isUrl ? undefined : source.find(({ name }) => name.endsWith('.png'));
  const size = isUrl ? await sizeOf(source, signal) : blob?.size;
  const isShown = size !== undefined && size <= MOST_PICTURE_BYTES && (!isUrl || /\.png(?:[?#]|$)/.test(source));
  if (picture.src.startsWith('blob:')) URL.revokeObjectURL(picture.src);
  picture.hidden = true;
  element('caption').hidden = true;
  element('empty').hidden = isShown;
  if (!isShown || signal.aborted) return;
  picture.crossOrigin = 'anonymous';
  picture.src = isUrl ? source : URL.createObjectURL(blob);
  await picture.decode().catch(() => {});
  if (signal.aborted || picture.naturalWidth === 0) {
    element('empty').hidden = false;
    return;
  }
  const [width, height] = [picture.naturalWidth, picture.naturalHeight];
  picture.alt = `The model's file as an image: ${width} by ${height} pixels of weights.`;
  picture.hidden = false;
  element('caption').hidden = false;
  element('caption').textContent = `${width} × ${height} pixels, ${megabytes(size)}: these are its weights`;
}

async function sizeOf(url, signal) {
  try {
    const length = (await fetch(url, { method: 'HEAD', signal })).headers.get('content-length');
    return length === null ? undefined : Number(length);
  } catch {
    return undefined;
  }
}

async function showKept() {
  const models = await listKeptModels();
  const items = models.map((kept) => {
    const item = document.createElement('li');
    const label = document.createElement('span');
    label.textContent = `${kept.name}, ${megabytes(kept.byteLength)}${kept.isWhole ? '' : ' (unfinished)'}`;
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Remove';
    button.setAttribute('aria-label', `Remove ${kept.name}`);
    button.addEventListener('click', async () => {
      await cleanKeptModels({ keys: [kept.key] });
      await showKept();
    });
    item.append(label, button);
    return item;
  });
  element('kept-list').replaceChildren(...items);
  element('kept').hidden = items.length === 0;
}

async function offerDevices() {
  const adapter = new URLSearchParams(location.search).get('adapter');
  for (const { device, usable, automatic, description } of await listDevices()) {
    if (!usable || device === 'reference' || (device === 'gpu' && !automatic && !adapter)) continue;
    element('device').append(new Option(device, device));
    if (automatic) element('device').options[0].textContent = `automatic (${device})`;
    element('device').title += `${device}: ${description}\n`;
  }
}

function say(sentence, isWrong = false) {
  note.textContent = sentence;
  note.classList.toggle('wrong', isWrong);
}

function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

function megabytes(bytes) {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

function count(weights) {
  return weights >= 1e9 ? `${(weights / 1e9).toFixed(1)} billion` : `${(weights / 1e6).toFixed(1)} million`;
}
