import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as format from '../src/format.js';

test('what is not a number is a dash, never a zero', () => {
  for (const nothing of [null, undefined, NaN, Infinity, '3', '<b>']) {
    for (const show of [format.significant, format.aligned, format.percent, format.bytes, format.count, format.fixed(2), (value) => format.withError(value, 1)]) {
      assert.equal(show(nothing), format.kDash);
    }
  }
});

test('a value keeps the digits that its error leaves it', () => {
  assert.equal(format.withError(0.0103912, 0.00034), '0.0104 ± 0.0003');
  assert.equal(format.withError(0.03891, 0.0013), '0.0389 ± 0.0013');
  assert.equal(format.withError(3.94e-5, 1.3e-6), '3.9e-5 ± 1e-6');
  assert.equal(format.withWideError(4.22981, 0.4), '4.2298 ± 0.40');
  assert.equal(format.withWideError(null, 0.4), format.kDash);
  assert.equal(format.withError(0.5, null), '0.5');
  assert.equal(format.withError(0, 0), '0');
});

test('sizes and counts', () => {
  assert.equal(format.bytes(2 * 1024 * 1024), '2 MiB');
  assert.equal(format.bytes(557056), '544 KiB');
  assert.equal(format.bytes(12), '12 B');
  assert.equal(format.count(19800000), '19 800 000');
  assert.equal(format.aligned(0.2003), '0.200');
});
