import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commonLength, parts } from '../src/comparison.js';

test('the first difference is marked up to the end of its line', () => {
  assert.deepEqual(parts('a = 1\nb = 2\nc', 'a = 1\nb = 3\nc'), { same: 'a = 1\nb = ', first: '2', rest: '\nc' });
  assert.deepEqual(parts('same', 'same'), { same: 'same', first: '', rest: '' });
  assert.deepEqual(parts('longer', 'long'), { same: 'long', first: 'er', rest: '' });
  assert.deepEqual(parts('long', 'longer'), { same: 'long', first: '', rest: '' });
});

test('a difference that begins with a new line has more than that to show', () => {
  assert.deepEqual(parts('a\nb\nc', 'ab'), { same: 'a', first: '\nb', rest: '\nc' });
});

test('no character is cut in two', () => {
  assert.equal(commonLength('x\u{1f600}', 'x\u{1f601}'), 1);
  assert.equal(commonLength('', 'a'), 0);
});
