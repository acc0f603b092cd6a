import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decades, doublingTicks, linearTicks, powerOfTen, scale } from '../src/chart.js';
import { familyOf, grid, verdictClass } from '../src/rows.js';

test('every spec has its family', () => {
  const expected = {
    f16: 'uncompressed', tq4: 'TurboQuant', 'tq3.5': 'TurboQuant', tq4p: 'TurboQuant, two passes', 'tq3-split': 'TurboQuant, outlier split',
    tt3: 'TurboQuant, trellis', rabitq4: 'extended RaBitQ', affine4: 'affine (MLX)', q4_0: 'GGUF block types', iq4_nl: 'GGUF block types',
    mxfp4: 'GGUF block types', q2_k: 'GGUF block types', 'q4_0+rotate=on': 'GGUF block types, rotated', 'tq4:tq3+sink=4': 'TurboQuant',
    'tq4:q8_0': 'mixed', 'no such <codec>': 'other', '': 'other',
  };
  for (const [spec, family] of Object.entries(expected)) assert.equal(familyOf(spec), family, spec);
});

const row = (weights, kv) => ({ weights, kv, weights_bpw_linear: 4, kv_bits_k: 4, kv_bits_v: 2, weights_bytes: 1000, kv_bytes: 10 });

test('a row is called by what the rows differ in', () => {
  const caches = grid({ rows: [row('f16', 'tq4'), row('f16', 'tq3')] });
  assert.deepEqual([caches.name(row('f16', 'tq4')), caches.bytes(row('f16', 'tq4')), caches.bits(row('f16', 'tq4'))], ['tq4', 10, 3]);
  const weights = grid({ rows: [row('tq4', 'f16'), row('tq3', 'f16')] });
  assert.deepEqual([weights.name(row('tq4', 'f16')), weights.bytes(row('tq4', 'f16')), weights.bits(row('tq4', 'f16'))], ['tq4', 1000, 4]);
  const both = grid({ rows: [row('tq4', 'f16'), row('tq3', 'tq4')] });
  assert.deepEqual([both.name(row('tq4', 'f16')), both.bytes(row('tq4', 'f16'))], ['tq4 × f16', 1010]);
  assert.equal(grid({ rows: [] }).what, 'cache');
});

test('a verdict becomes a class name only when it is one of ours', () => {
  assert.equal(verdictClass('close'), 'close');
  for (const foreign of [null, 'x" onclick="', 'constructor', '__proto__']) assert.equal(verdictClass(foreign), 'unknown');
});

test('axes hold their values', () => {
  assert.deepEqual(decades([3e-5, 0.2, 0, null, NaN]), [1e-5, 1]);
  assert.deepEqual(decades([0, 1e-9]), [1e-6, 1]);
  assert.deepEqual(doublingTicks(2, 17, 10), [2, 3, 4, 6, 8, 12, 16]);
  assert.ok(doublingTicks(2, 17, 4).length <= 4);
  assert.equal(powerOfTen(-5), '10⁻⁵');
  assert.equal(scale(1, 100, 0, 10, true)(10), 5);
  assert.equal(scale(3, 3, 0, 10, false)(3), 0);
});

test('no number makes an axis endless', () => {
  const huge = Number.MAX_VALUE;
  for (const [low, high] of [[5e-324, 1], [1e-300, 1e300], [2 ** 63, 2 ** 63 + 4096], [0, huge], [3, 3], [huge, huge], [Infinity, -Infinity], [NaN, NaN]]) {
    assert.ok(doublingTicks(low, high, 6).length < 20, `${low} ${high}`);
    assert.ok(linearTicks(low, high, 6).length < 20, `${low} ${high}`);
  }
  for (const values of [[huge], [huge, 1e-5], [5e-324]]) assert.ok(decades(values).every(Number.isFinite));
});
