import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shade, taskTitle } from '../src/retrieval.js';

test('chance and less is the lightest, certainty the darkest', () => {
  assert.equal(shade(1 / 15, 1 / 15), 0);
  assert.equal(shade(0, 1 / 15), 0);
  assert.equal(shade(0.1, 1 / 15), 1);
  assert.equal(shade(1, 1 / 15), 4);
  assert.equal(shade(null, 1 / 15), 0);
});

test('a task of another version has its own name', () => {
  assert.equal(taskTitle('passkey'), 'One fact: a pass key');
  assert.equal(taskTitle('constructor'), 'constructor');
});
