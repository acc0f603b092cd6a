import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keptInside } from '../src/chart.js';
import { changes, order } from '../src/pairs.js';

const pair = (from, to, kld_change, kld_change_se) => ({ from, to, kld_change, kld_change_se, nll_change: 0.5, nll_change_se: 0.1 });

test('rows are ranked by divergence, and what is not a number is last', () => {
  assert.deepEqual(order([{ kld_mean: 2 }, { kld_mean: null }, { kld_mean: 1 }, {}, { kld_mean: 1 }]), [2, 4, 0, 1, 3]);
});

test('a pair is found in both directions, with the sign of the direction', () => {
  const between = changes([pair(0, 2, 4, 1)]);
  assert.deepEqual(between(0, 2), { kld: 4, kldError: 1, nll: 0.5, nllError: 0.1, differs: true });
  assert.deepEqual(between(2, 0), { kld: -4, kldError: 1, nll: -0.5, nllError: 0.1, differs: true });
  assert.equal(between(0, 1), null);
});

test('three errors are chance, and so is nothing without an error, or an error that nobody knows', () => {
  assert.equal(changes([pair(0, 1, 3, 1)])(0, 1).differs, false);
  assert.equal(changes([pair(0, 1, 0, 0)])(1, 0).differs, false);
  assert.ok(Object.is(changes([pair(0, 1, 0, 0)])(1, 0).kld, 0), 'no minus zero');
  assert.equal(changes([pair(0, 1, 3, null)])(0, 1).differs, false);
  assert.equal(changes([pair(0, 1, null, null)])(0, 1), null);
});

test('a name as long as the drawing stays on it', () => {
  assert.equal(keptInside(150, 100, 300), 150);
  assert.equal(keptInside(250, 100, 300), 198);
  assert.equal(keptInside(250, 400, 300), 2);
});
