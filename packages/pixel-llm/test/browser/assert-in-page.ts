/** `node:assert/strict` for the parts of the conformance table that run in a page: as much of it as they use. */
function assert(value: unknown, message = 'the value is falsy'): asserts value {
  if (!value) throw new Error(message);
}

assert.ok = assert;
assert.equal = (actual: unknown, expected: unknown, message = ''): void =>
  assert(Object.is(actual, expected), `${message}: ${actual} is not ${expected}`);

export default assert;
