/** `node:assert/strict` for the parts of the conformance table that run in a page: as much of it as they use. */

interface PageAssert {
  (value: unknown, message?: string): void;
  ok(value: unknown, message?: string): void;
  equal(actual: unknown, expected: unknown, message?: string): void;
}

function check(value: unknown, message = 'the value is falsy'): void {
  if (!value) throw new Error(message);
}

const assert: PageAssert = Object.assign(check, {
  ok: check,
  equal: (actual: unknown, expected: unknown, message = ''): void =>
    check(Object.is(actual, expected), `${message}: ${actual} is not ${expected}`),
});

export default assert;
