import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grid } from '../src/rows.js';
import { linesOf } from '../src/tasks.js';

const row = (kv, acc) => ({ weights: 'f16', kv, weights_bpw_linear: 16, kv_bits_k: 4, kv_bits_v: 4, weights_bytes: 1, kv_bytes: 2, scores: [{ task: 'piqa', acc, acc_lost: 0, acc_gained: 0, acc_p: 1, ll_change: 0, ll_change_se: 0, perplexity: 3 }] });

test('the base is no comparison with itself, and the rows keep theirs', () => {
  const report = { base: row('f32', 0.5), rows: [row('tq4', 0.25), row('tq3', 0.125)] };
  const [base, first] = linesOf(report, 0, grid(report));
  assert.deepEqual([base.name, base.acc, base.acc_lost, base.acc_p, base.ll_change, base.perplexity], ['base', 0.5, null, null, null, 3]);
  assert.deepEqual([first.name, first.acc, first.acc_lost, first.acc_p, first.ll_change], ['tq4', 0.25, 0, 1, 0]);
});
