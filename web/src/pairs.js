// Rows next to each other: which of two is closer to the base, beyond chance? Differences are paired, token by token.
import { h } from './dom.js';
import * as format from './format.js';
import { figure, longNames, table, text } from './table.js';

const kMostInMap = 24; // rows: a wider map is no help
const kErrors = 3;

const signed = (show) => (value, error) => (value > 0 ? '+' : '') + show(value, error);
const change = signed(format.withError);

/** By mean KL divergence, what is not a number last: indices of rows. */
export function order(rows) {
  const kld = (i) => (Number.isFinite(rows[i].kld_mean) ? rows[i].kld_mean : Infinity);
  return rows.map((_row, i) => i).sort((a, b) => (kld(a) === kld(b) ? a - b : kld(a) - kld(b)));
}

/** (from, to) → {kld, kldError, nll, nllError, differs} of a pair in either direction; null where it was not measured. */
export function changes(pairs) {
  const known = new Map(pairs.map((pair) => [`${pair.from} ${pair.to}`, pair]));
  return (from, to) => {
    const pair = known.get(`${Math.min(from, to)} ${Math.max(from, to)}`);
    if (!pair || !Number.isFinite(pair.kld_change)) return null;
    const sign = from < to ? 1 : -1;
    return {
      kld: sign * pair.kld_change || 0, kldError: pair.kld_change_se,
      nll: Number.isFinite(pair.nll_change) ? sign * pair.nll_change || 0 : null, nllError: pair.nll_change_se,
      differs: Number.isFinite(pair.kld_change_se) && Math.abs(pair.kld_change) > kErrors * pair.kld_change_se,
    };
  };
}

/** Each row against each column: minus where the row is closer to the base. */
function map(report, grid) {
  const places = order(report.rows);
  const between = changes(report.pairs);
  const name = (i) => grid.name(report.rows[i]);
  const cell = (row, column) => {
    if (row === column) return h('td', { class: 'self' });
    const found = between(column, row);
    if (!found) return h('td', {}, format.kDash);
    const title = `${name(row)} next to ${name(column)}: KLD ${change(found.kld, found.kldError)}, ln perplexity ${change(found.nll, found.nllError)}`;
    if (!found.differs) return h('td', { title }, '≈');
    return h('td', { class: found.kld < 0 ? 'better' : 'worse', title }, signed((value) => format.significant(value, 2))(found.kld).replaceAll('-', '−'));
  };
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'row against row' }, h('table', { class: `pairs ${longNames(places.map(name))}`.trim() },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col', class: 'text' }, grid.what), places.map((i, n) => h('th', { scope: 'col', title: name(i) }, String(n + 1))))),
    h('tbody', {}, places.map((i, n) => h('tr', {},
      h('th', { scope: 'row', class: 'text' }, h('small', {}, `${n + 1} `), name(i)), places.map((j) => cell(i, j)))))));
}

export function rowAgainstRow(report, grid) {
  const pairs = report.pairs ?? [];
  if (pairs.length === 0) return [];
  const name = (i) => (report.rows[i] ? grid.name(report.rows[i]) : format.kDash);
  const columns = [
    text('from', (pair) => name(pair.from)),
    text('to', (pair) => name(pair.to)),
    figure('kld_change', 'Δ KLD', 'mean change of the KL divergence from the base, ± the standard error of the paired differences', change, 'kld_change_se'),
    figure('nll_change', 'Δ ln perplexity', 'of the text, ± the standard error of the paired differences', change, 'nll_change_se'),
    { ...text('beyond chance', (pair) => (pair.differs ? 'yes' : 'no')), explained: 'the KL divergences differ by more than three standard errors' },
  ];
  return [
    h('h3', {}, 'Row against row'),
    report.rows.length > kMostInMap ? null : map(report, grid),
    h('p', { class: 'note' }, 'Both rows read the same tokens, so they are compared token by token, which is far sharper than two means with their errors. In the map, the change of the mean KL divergence from the row of the column’s number to the row itself: minus is closer to the base, ≈ is within three standard errors of nothing. Tokens count as independent, as in all errors here.'),
    h('details', {}, h('summary', {}, 'Every pair'), table(pairs, columns, 'more')),
  ];
}
