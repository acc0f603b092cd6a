// One report: what it says in words, its charts, its table, and where it comes from.
import { chart, legend } from './chart.js';
import { h } from './dom.js';
import * as format from './format.js';
import { byLayer } from './layers.js';
import { rowAgainstRow } from './pairs.js';
import { grid as gridOf } from './rows.js';
import { columns, table, verdictChip } from './table.js';

const kMarks = [[/^Indistinguishable/, 'indistinguishable'], [/^Close/, 'close'], [/^Visibly/, 'worse'], [/^Collapsed/, 'collapsed'], [/^Interrupted/, 'notice']];

function words(report) {
  return h('ul', { class: 'words' }, report.summary.map((sentence) =>
    h('li', { class: kMarks.find(([test]) => test.test(sentence))?.[1] ?? 'plain' }, sentence)));
}

/** For each amount of memory, the best that was measured. */
function recommendation(report, grid) {
  const best = report.best_by_size.map((entry) => ({ ...entry, of: report.rows[entry.row] })).filter((entry) => entry.of);
  if (best.length === 0) return [];
  const largest = Math.max(...report.rows.map(grid.bytes));
  const line = ({ of, bytes, ties }) => h('tr', {},
    h('th', { scope: 'row' }, format.bytes(bytes), h('small', {}, ` 1/${format.significant(largest / bytes, 2)}`)),
    h('td', { class: 'text' }, grid.name(of)),
    h('td', { class: 'text' }, verdictChip(of.verdict)),
    h('td', {}, format.significant(of.kld_mean, 2)),
    h('td', { class: 'text' }, ties.map((i) => report.rows[i]).filter(Boolean).map(grid.name).join(', ') || format.kDash));
  return [
    h('h3', {}, 'The best for the memory you have'),
    h('div', { class: 'scroll' }, h('table', { class: 'best' },
      h('thead', {}, h('tr', {},
        h('th', { scope: 'col', title: `and the share of the largest row` }, 'from'), h('th', { scope: 'col', class: 'text' }, grid.what),
        h('th', { scope: 'col', class: 'text' }, 'verdict'), h('th', { scope: 'col' }, 'KLD'),
        h('th', { scope: 'col', class: 'text', title: 'no larger, and within three standard errors' }, 'as good, within the error'))),
      h('tbody', {}, ...best.map(line)))),
    h('p', { class: 'note' }, `Bytes of ${grid.what}${grid.kv ? ` for a window of ${format.count(report.settings.context)} tokens` : ''}. Lowest mean KL divergence among the rows of that size or smaller; collapsed rows are left out.`),
  ];
}

function ladders(report, grid) {
  const points = (x) => report.rows.map((row) => ({
    name: grid.name(row),
    series: grid.family(row),
    dash: grid.dash(row),
    x: x(row),
    y: row.kld_mean,
    error: row.kld_mean_se,
    title: `${grid.name(row)}: KLD ${format.withError(row.kld_mean, row.kld_mean_se)}, ${format.significant(grid.bits(row), 4)} bits, ${format.bytes(grid.bytes(row))}, top-1 ${format.percent(row.top1_agreement)} %`,
  }));
  const yName = 'KL divergence, nats';
  const families = [...new Set(report.rows.map(grid.family))];
  return [
    legend(families, grid.caches),
    h('div', { class: 'charts' },
      chart(points(grid.bits), { label: `KL divergence against ${grid.bitsOf}`, xName: grid.bitsOf, yName, xLog: true, xText: (tick) => format.significant(tick) }),
      chart(points(grid.bytes), { label: `KL divergence against bytes of ${grid.what}`, xName: `bytes of ${grid.what}`, yName, xLog: true, xText: (tick) => format.bytes(tick) })),
    h('p', { class: 'note' }, 'Lower and further left is better. Bars are ± 2 standard errors where they are wider than the mark; a hollow mark on the floor is 10⁻⁶ or less, which is rounding.'),
  ];
}

function byPosition(report, grid) {
  const points = report.rows.flatMap((row) => (row.kld_by_position ?? []).map((bin) => ({
    name: grid.name(row),
    series: grid.family(row),
    lineTitle: grid.name(row),
    x: (bin.from + bin.to - 1) / 2,
    y: bin.kld_mean,
    key: row,
  })));
  if (!points.some((point) => point.y > 0)) return [];
  const keys = new Map(report.rows.map((row, i) => [row, i]));
  return [
    h('h3', {}, 'Along the window'),
    chart(points, {
      label: 'Mean KL divergence by position in the window', xName: 'position', yName: 'KL divergence, nats', marks: false,
      xText: (tick) => format.count(tick), line: (point) => keys.get(point.key),
    }),
    h('p', { class: 'note' }, 'A line that rises to the right says that errors add up as the context grows: measure at the length that you will use (-c).'),
  ];
}

const fact = (name, value) => [h('dt', {}, name), h('dd', {}, value)];

/** Why --kv auto took a cache. */
function reasons(report) {
  const said = new Set(report.rows.filter((row) => row.kv_reason).map((row) => `${row.kv}: ${row.kv_reason}`));
  return [...said].map((reason) => fact('--kv auto', reason));
}

function facts(report) {
  const { model, machine, settings, base } = report;
  return [
    h('h3', {}, 'Model, text, machine'),
    h('dl', { class: 'facts' },
      fact('model', `${model.name}, ${model.architecture}, ${format.count(model.parameters)} parameters, ${format.bytes(model.file_bytes)}`),
      fact('base', `weights ${base.weights}, cache ${settings.base}, perplexity ${format.withError(base.ppl, base.ppl_se)}`),
      fact('text', `${settings.text}, SHA-256 ${settings.text_sha256}`),
      fact('scored', `${format.count(settings.scored_tokens)} tokens: the second halves of ${format.count(settings.chunks)} windows of ${format.count(settings.context)}, through ${settings.path}${report.partial ? '; interrupted' : ''}`),
      fact('continuations', `${format.count(settings.continuation_tokens)} tokens that the base said itself, in ${format.count(settings.continuations)} continuations`),
      report.noise_floor?.tokens ? fact('noise floor', `KLD ${format.significant(report.noise_floor.kld_mean, 2)}, at most ${format.significant(report.noise_floor.kld_max, 2)}: the base against itself, token by token, on one thread, with the kernels of another CPU target`) : null,
      fact('machine', `${machine.cpu}, ${machine.simd} kernels, ${format.count(machine.threads)} threads`),
      reasons(report),
      fact('seed', format.count(settings.seed))),
    settings.command ? h('p', { class: 'rerun' }, 'To run it again:') : null,
    settings.command ? h('pre', {}, settings.command) : null,
  ];
}

/** The rest of the figures; paper cannot be opened by a click. */
function moreFigures(rows, list) {
  const details = h('details', {}, h('summary', {}, 'All other figures'), table(rows, list, 'more'));
  window.addEventListener('beforeprint', () => { details.open = true; });
  return details;
}

export function section(report, heading) {
  const grid = gridOf(report);
  const { main, more } = columns(grid);
  return h('section', {},
    heading ? h('h2', {}, heading) : null,
    words(report),
    recommendation(report, grid),
    h('h3', {}, 'Quality against size'),
    ladders(report, grid),
    h('h3', {}, 'Every row'),
    table(report.rows, main, 'rows'),
    moreFigures(report.rows, more),
    rowAgainstRow(report, grid),
    byPosition(report, grid),
    byLayer(report, grid),
    facts(report));
}
