/**
 * Sampling, as backends/reference/sample.ts specifies it, from logits to a token without leaving the GPU. One workgroup a row.
 *
 * The 256 likeliest are found by a radix selection: four passes over the logits' bits, most significant first, each counting how many
 * of the values still in question have which byte; among equal values at the border, the same over the token ids. Only values that can be
 * among the likeliest are counted: the least of the invocations' own maxima is a bound, as there are 256 invocations. What is kept is sorted in
 * shared memory, and one invocation walks the list.
 */
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { reduceWgsl } from './reduce.ts';

/** Tokens to choose from at most, and the invocations of a workgroup: every WebGPU device has as many. */
export const CANDIDATES = 256;

/** 32-bit words of a row of settings, as SETTINGS_WGSL has them. */
export const SETTINGS_WORDS = 16;

const SETTINGS_WGSL = `struct Settings {
  isGreedy: u32,
  temperature: f32,
  topK: u32,
  topP: f32,
  minP: f32,
  seedLow: u32,
  seedHigh: u32,
  position: u32,
  firstChange: u32,
  changes: u32,
  topLogprobs: u32,
  slot: i32,
  repeatPenalty: f32,
  frequencyPenalty: f32,
  presencePenalty: f32,
  spare: u32,
}
// What is added to a token's logit, and how often the token stands among the recent ones.
struct Change { token: u32, bias: f32, isForbidden: u32, count: u32 }
// status: 0, or 1 for logits that are not numbers, or 2 when every token is forbidden.
struct Result { token: i32, logprob: f32, status: u32, tops: u32 }`;

/** Philox-4x32-10, as backends/reference/random.ts. */
const RANDOM_WGSL = `fn multiplyHigh(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u);
}
fn uniformNumber(seedLow: u32, seedHigh: u32, position: u32) -> f32 {
  var counter = vec4<u32>(position, 0u, 0u, 0u);
  var key = vec2<u32>(seedLow, seedHigh);
  for (var round = 0; round < 10; round++) {
    counter = vec4<u32>(
      multiplyHigh(0xcd9e8d57u, counter.z) ^ counter.y ^ key.x, 0xcd9e8d57u * counter.z,
      multiplyHigh(0xd2511f53u, counter.x) ^ counter.w ^ key.y, 0xd2511f53u * counter.x);
    key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return f32(counter.x >> 8u) / 16777216.0;
}`;

/** Finds the likeliest tokens of the logits (`isRaw`) or of what bias and penalties made of them: `keys` and `tokens`, sorted. */
const SELECT_WGSL = `
fn valueAt(isRaw: bool, row: u32, token: u32) -> f32 {
  if (isRaw) { return numberOf(logits[row * VOCAB + token]); }
  return adjusted[row * VOCAB + token];
}
// Unsigned integers in the order of the numbers; both zeros are one.
fn keyOf(value: f32) -> u32 {
  let bits = bitcast<u32>(select(value, 0.0, value == 0.0));
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
fn valueOf(key: u32) -> f32 { return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u)); }

// The byte at which the count, from the top (or from the bottom), reaches what is needed; what is left to take of that byte; how many have it.
fn chooseByte(local: u32, needed: u32, fromTop: bool) {
  workgroupBarrier();
  if (local == 0u) {
    var before = 0u;
    var byte = select(0u, 255u, fromTop);
    for (var i = 0u; i < 255u; i++) {
      let count = atomicLoad(&histogram[byte]);
      if (before + count >= needed) { break; }
      before += count;
      byte = select(byte + 1u, byte - 1u, fromTop);
    }
    chosen = vec3<u32>(byte, needed - before, atomicLoad(&histogram[byte]));
  }
  workgroupBarrier();
}

fn selectLikeliest(local: u32, isRaw: bool, row: u32) {
  var own = LOWEST;
  for (var i = local; i < VOCAB; i += WORKGROUP) { own = max(own, valueAt(isRaw, row, i)); }
  // Invocations beyond a small vocabulary have nothing of their own, and then the bound is none.
  let bound = keyOf(-workgroupMax(local, -own));
  var needed = MOST;
  var prefix = 0u;
  var mask = 0u;
  var equal = 0u;
  for (var shift = 32u; shift > 0u;) {
    shift -= 8u;
    atomicStore(&histogram[local], 0u);
    workgroupBarrier();
    for (var i = local; i < VOCAB; i += WORKGROUP) {
      let key = keyOf(valueAt(isRaw, row, i));
      if (key >= bound && (key & mask) == prefix) { atomicAdd(&histogram[(key >> shift) & 255u], 1u); }
    }
    chooseByte(local, needed, true);
    let step = workgroupUniformLoad(&chosen);
    prefix |= step.x << shift;
    mask |= 255u << shift;
    needed = step.y;
    equal = step.z;
  }
  var lastToken = 0xffffffffu;
  if (equal > needed) {
    var tokenMask = 0u;
    lastToken = 0u;
    for (var shift = 24u; shift > 0u;) {
      shift -= 8u;
      atomicStore(&histogram[local], 0u);
      workgroupBarrier();
      for (var i = local; i < VOCAB; i += WORKGROUP) {
        if (keyOf(valueAt(isRaw, row, i)) == prefix && (i & tokenMask) == lastToken) { atomicAdd(&histogram[(i >> shift) & 255u], 1u); }
      }
      chooseByte(local, needed, false);
      let step = workgroupUniformLoad(&chosen);
      lastToken |= step.x << shift;
      tokenMask |= 255u << shift;
      needed = step.y;
    }
  }
  if (local == 0u) { atomicStore(&found, 0u); }
  keys[local] = 0u;
  tokens[local] = 0xffffffffu;
  workgroupBarrier();
  for (var i = local; i < VOCAB; i += WORKGROUP) {
    let key = keyOf(valueAt(isRaw, row, i));
    if (key > prefix || (key == prefix && i <= lastToken)) {
      let place = atomicAdd(&found, 1u);
      keys[place] = key;
      tokens[place] = i;
    }
  }
  workgroupBarrier();
  sortLikeliest(local);
}

// Bitonic: largest keys first, lowest tokens first among equals.
fn sortLikeliest(local: u32) {
  for (var size = 2u; size <= WORKGROUP; size *= 2u) {
    for (var distance = size / 2u; distance > 0u; distance /= 2u) {
      let other = local ^ distance;
      if (other > local) {
        let isBetter = keys[local] > keys[other] || (keys[local] == keys[other] && tokens[local] < tokens[other]);
        if (isBetter != ((local & size) == 0u)) {
          let key = keys[local];
          let token = tokens[local];
          keys[local] = keys[other];
          tokens[local] = tokens[other];
          keys[other] = key;
          tokens[other] = token;
        }
      }
      workgroupBarrier();
    }
  }
}`;

/** Steps 6 and 7 of the specification, by one invocation, over probabilities that lie in `partial`. */
const CHOOSE_WGSL = `
fn chooseToken(settings: Settings) -> u32 {
  var count = MOST;
  if (settings.topK > 0u) { count = min(count, settings.topK); }
  var sum = 0.0;
  var kept = 0u;
  var keptSum = 0.0;
  for (var i = 0u; i < count; i++) {
    let probability = partial[i];
    if (i > 0u && (probability < settings.minP * partial[0] || (settings.topP < 1.0 && sum >= settings.topP))) { break; }
    sum += probability;
    kept = i + 1u;
    keptSum = sum;
  }
  let threshold = uniformNumber(settings.seedLow, settings.seedHigh, settings.position) * keptSum;
  var running = 0.0;
  for (var i = 0u; i < kept; i++) {
    running += partial[i];
    if (running > threshold) { return tokens[i]; }
  }
  return tokens[kept - 1u];
}`;

/**
 * `logits` [outputs, vocab], `settings` [outputs], `changes` -> `out` i32 [outputs], `results` [outputs], `tops` (token, ln p)
 * [outputs, CANDIDATES] as far as asked for, `carried` at the rows' slots. `adjusted` [outputs, vocab] is scratch.
 */
export function sampleKernel({ vocab }: { readonly vocab: number }, traits: DeviceTraits): Kernel {
  const bindings: KernelBinding[] = [
    { name: 'logits', kind: 'read' },
    { name: 'settings', kind: 'read' },
    { name: 'changes', kind: 'read' },
    { name: 'adjusted', kind: 'write' },
    { name: 'out', kind: 'write' },
    { name: 'results', kind: 'write' },
    { name: 'tops', kind: 'write' },
    { name: 'carried', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  const types = {
    logits: 'array<f32>',
    settings: 'array<Settings>',
    changes: 'array<Change>',
    adjusted: 'array<f32>',
    out: 'array<i32>',
    results: 'array<Result>',
    tops: 'array<vec2<u32>>',
    carried: 'array<i32>',
    sizes: 'Sizes',
  };
  return {
    label: `sample ${vocab}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => grid(rows, traits),
    code: `${SIZES_WGSL}
${SETTINGS_WGSL}
${declareBindings(bindings, types)}
const WORKGROUP = ${CANDIDATES}u;
const VOCAB = ${vocab}u;
const MOST = ${Math.min(vocab, CANDIDATES)}u;
// Stands for -infinity, which WGSL does not promise to have.
const LOWEST = -3.4e38;
var<workgroup> histogram: array<atomic<u32>, ${CANDIDATES}>;
var<workgroup> keys: array<u32, ${CANDIDATES}>;
var<workgroup> tokens: array<u32, ${CANDIDATES}>;
var<workgroup> found: atomic<u32>;
var<workgroup> chosen: vec3<u32>;
var<workgroup> isBroken: atomic<u32>;
var<workgroup> winner: atomic<u32>;
var<workgroup> picked: u32;
${reduceWgsl(CANDIDATES)}
${RANDOM_WGSL}
fn numberOf(logit: f32) -> f32 { return max(logit, LOWEST); }
${SELECT_WGSL}
${CHOOSE_WGSL}
// Not a number, or infinitely large: by its bits, as comparisons may be assumed to see numbers only.
fn isUnusable(logit: f32) -> bool {
  let bits = bitcast<u32>(logit);
  return (bits & 0x7fffffffu) > 0x7f800000u || bits == 0x7f800000u;
}
fn isAnyUnusable(local: u32, row: u32) -> bool {
  if (local == 0u) { atomicStore(&isBroken, 0u); }
  workgroupBarrier();
  for (var i = local; i < VOCAB; i += WORKGROUP) {
    let logit = logits[row * VOCAB + i];
    adjusted[row * VOCAB + i] = numberOf(logit);
    if (isUnusable(logit)) { atomicStore(&isBroken, 1u); }
  }
  workgroupBarrier();
  if (local == 0u) { picked = atomicLoad(&isBroken); }
  storageBarrier();
  return workgroupUniformLoad(&picked) != 0u;
}
fn applyChanges(local: u32, row: u32, settings: Settings) {
  for (var i = local; i < settings.changes; i += WORKGROUP) {
    let change = changes[settings.firstChange + i];
    let place = row * VOCAB + change.token;
    var logit = adjusted[place] + change.bias;
    if (change.count > 0u) {
      logit = select(logit * settings.repeatPenalty, logit / settings.repeatPenalty, logit > 0.0);
      logit -= f32(change.count) * settings.frequencyPenalty + settings.presencePenalty;
    }
    adjusted[place] = select(numberOf(logit), LOWEST, change.isForbidden != 0u);
  }
  storageBarrier();
}
// The largest value's lowest token.
fn greedyToken(local: u32, row: u32, largest: f32) -> u32 {
  if (local == 0u) { atomicStore(&winner, 0xffffffffu); }
  workgroupBarrier();
  for (var i = local; i < VOCAB; i += WORKGROUP) {
    if (adjusted[row * VOCAB + i] == largest) { atomicMin(&winner, i); break; }
  }
  workgroupBarrier();
  if (local == 0u) { picked = atomicLoad(&winner); }
  return workgroupUniformLoad(&picked);
}
fn sampledToken(local: u32, row: u32, largest: f32, settings: Settings) -> u32 {
  let temperature = settings.temperature;
  var sum = 0.0;
  for (var i = local; i < VOCAB; i += WORKGROUP) { sum += powerOf(adjusted[row * VOCAB + i], largest, temperature); }
  let total = workgroupSum(local, sum);
  selectLikeliest(local, false, row);
  partial[local] = powerOf(valueOf(keys[local]), largest, temperature) / total;
  workgroupBarrier();
  if (local == 0u) { picked = chooseToken(settings); }
  return workgroupUniformLoad(&picked);
}
fn powerOf(value: f32, largest: f32, temperature: f32) -> f32 {
  return exp(max(value - largest, -200.0 * temperature) / temperature);
}
@compute @workgroup_size(${CANDIDATES})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = workgroup.x + workgroup.y * groups.x;
  if (row >= sizes.rows) { return; }
  if (isAnyUnusable(local, row)) {
    if (local == 0u) { results[row] = Result(-1, 0.0, 1u, 0u); }
    return;
  }
  applyChanges(local, row, settings[row]);
  var most = LOWEST;
  var mostRaw = LOWEST;
  for (var i = local; i < VOCAB; i += WORKGROUP) {
    most = max(most, adjusted[row * VOCAB + i]);
    mostRaw = max(mostRaw, numberOf(logits[row * VOCAB + i]));
  }
  let largest = workgroupMax(local, most);
  let largestRaw = workgroupMax(local, mostRaw);
  if (largest <= 0.5 * LOWEST) {
    if (local == 0u) { results[row] = Result(-1, 0.0, 2u, 0u); }
    return;
  }
  var sum = 0.0;
  for (var i = local; i < VOCAB; i += WORKGROUP) { sum += powerOf(numberOf(logits[row * VOCAB + i]), largestRaw, 1.0); }
  let logTotal = largestRaw + log(workgroupSum(local, sum));
  var token = 0u;
  if (settings[row].isGreedy != 0u) { token = greedyToken(local, row, largest); }
  else { token = sampledToken(local, row, largest, settings[row]); }
  let topCount = settings[row].topLogprobs;
  if (local == 0u) {
    out[row] = i32(token);
    results[row] = Result(i32(token), logits[row * VOCAB + token] - logTotal, 0u, topCount);
    if (settings[row].slot >= 0) { carried[settings[row].slot] = i32(token); }
  }
  if (topCount != 0u) {
    selectLikeliest(local, true, row);
    if (local < topCount) { tops[row * ${CANDIDATES}u + local] = vec2<u32>(tokens[local], bitcast<u32>(valueOf(keys[local]) - logTotal)); }
  }
}
`,
  };
}
