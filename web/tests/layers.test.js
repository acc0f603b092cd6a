import assert from 'node:assert/strict';
import { test } from 'node:test';
import { largest } from '../src/layers.js';

const layers = (...errors) => ({ layers: errors.map((relative_error) => ({ k: { relative_error } })) });

test('the largest error is named with its layer, the first of equal ones', () => {
  assert.deepEqual(largest(layers(0.1, 0.3, 0.3, 0.2), 'k'), { error: 0.3, layer: 1 });
  assert.deepEqual(largest(layers(0, 0), 'k'), { error: 0, layer: 0 });
});

test('what is not a number is not the largest, and what was not measured is none', () => {
  assert.deepEqual(largest(layers(null, 0.2), 'k'), { error: 0.2, layer: 1 });
  assert.equal(largest(layers(null), 'k'), null);
  assert.equal(largest(layers(0.2), 'v'), null);
  assert.equal(largest({ layers: [] }, 'k'), null);
});
