// One prompt at every level: what each wrote beside the base, with the first difference marked.
import { h } from './dom.js';
import * as format from './format.js';
import { grid as gridOf } from './rows.js';

/** Length of what two texts begin with in common, never inside a surrogate pair. */
export function commonLength(a, b) {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) ++i;
  const code = a.charCodeAt(i - 1);
  return i > 0 && code >= 0xd800 && code < 0xdc00 ? i - 1 : i;
}

/** The text cut in three: as the base, the rest of the line of the first difference, and what follows. */
export function parts(text, base) {
  if (text === base) return { same: text, first: '', rest: '' };
  const at = commonLength(text, base);
  const end = text.indexOf('\n', at + 1);
  const to = end < 0 ? text.length : end;
  return { same: text.slice(0, at), first: text.slice(at, to), rest: text.slice(to) };
}

const parses = (row) => (row.parses === true ? 'parses' : row.parses === false ? 'does not parse' : null);

function card(row, name, base) {
  const isBase = row === base;
  const { same, first, rest } = parts(row.text, base.text);
  const sameFor = isBase ? 'the base' : row.first_divergence === null ? 'the same text' : `the same for ${format.count(row.first_divergence)} tokens`;
  return h('figure', { class: isBase ? 'written base' : 'written' },
    h('figcaption', {}, name, h('small', {}, [sameFor, parses(row)].filter(Boolean).join(', '))),
    h('pre', {},
      isBase ? row.text : h('span', { class: 'same' }, same),
      !isBase && first ? h('mark', {}, first) : null,
      isBase ? null : rest));
}

function figures(rows, base, name) {
  const looked = rows.some((row) => parses(row));
  const line = (row) => h('tr', {},
    h('th', { scope: 'row', class: 'text' }, row === base ? 'base' : name(row)),
    h('td', {}, `${format.significant(row.kv_bits_k)}${row.kv_bits_v === row.kv_bits_k ? '' : `:${format.significant(row.kv_bits_v)}`}`),
    h('td', {}, format.bytes(row.kv_bytes)),
    h('td', {}, format.significant(row.weights_bpw_linear)),
    h('td', {}, format.bytes(row.weights_bytes)),
    h('td', {}, row === base ? '' : row.first_divergence === null ? 'all' : format.count(row.first_divergence)),
    h('td', {}, format.percent(row.token_accuracy)),
    h('td', {}, format.fixed(3)(row.missed_divergence)),
    looked ? h('td', {}, row.parses === true ? 'yes' : row.parses === false ? 'no' : format.kDash) : null,
    h('td', {}, format.significant(row.prefill_tps)),
    h('td', {}, format.significant(row.decode_tps)));
  const title = (text, about) => h('th', { scope: 'col', title: about }, text);
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'figures of each level' }, h('table', { class: 'rows levels' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col', class: 'text' }, 'level'),
      title('cache bits', 'true bits per cached value'), title('cache', 'for prompt and answer'), title('weight bits', 'true bits per weight of the matrices'),
      title('weights', 'in memory'), title('same for', 'tokens before the first that is not the base’s'),
      title('token %', 'of the base’s tokens that are its most likely ones, given the base’s tokens before them'), title('missed', 'how confident the missed ones were, 0 to 1'),
      looked ? title('parses', 'as Python, up to the end of the function') : null,
      title('prompt t/s', 'tokens per second'), title('answer t/s', 'tokens per second'))),
    h('tbody', {}, rows.map(line))));
}

export function comparison(report, heading) {
  const grid = gridOf(report);
  const rows = [report.base, ...report.rows];
  const same = report.rows.filter((row) => row.first_divergence === null);
  const prompt = report.prompt.length > 4000 ? `…${report.prompt.slice(-4000)}` : report.prompt;
  return h('section', { class: 'comparison' },
    heading ? h('h2', {}, heading) : null,
    h('p', { class: 'lead' }, `After a prompt of ${format.count(report.settings.prompt_tokens)} tokens the base wrote ${format.count(report.base.tokens.length)}. ${same.length} of ${report.rows.length} levels wrote the same text${same.length ? `: ${same.map(grid.name).join(', ')}` : ''}.`),
    figures(rows, report.base, grid.name),
    h('p', { class: 'note' }, 'A level that leaves the base writes another text from there on; where it leaves is chance as much as damage, since near ties decide it. Token % asks every level about the same words and does not drift.'),
    h('h3', {}, 'Side by side'),
    h('div', { class: 'texts' }, rows.map((row) => card(row, row === report.base ? 'base' : grid.name(row), report.base))),
    h('details', {}, h('summary', {}, 'The prompt'), h('pre', {}, prompt)),
    report.settings.command ? h('p', { class: 'rerun' }, 'To run it again:') : null,
    report.settings.command ? h('pre', {}, report.settings.command) : null,
    h('p', { class: 'note' }, `${report.model.name}, ${report.machine.cpu}, ${report.machine.simd} kernels, ${format.count(report.machine.threads)} threads.`));
}
