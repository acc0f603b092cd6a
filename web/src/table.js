// The table of all rows; a click on a title sorts by it.
import { h } from './dom.js';
import * as format from './format.js';
import { kVerdicts, verdictClass } from './rows.js';

/** `error` is the field of its standard error, shown with the value by `show`. */
export const figure = (field, title, explained, show = format.aligned, error) => ({
  title,
  explained,
  value: (row) => row[field],
  cell: (row) => show(row[field], row[error]),
  field,
});
export const text = (title, value) => ({ title, value, cell: value, text: true });

export const verdictChip = (verdict) =>
  h('span', { class: `chip ${verdictClass(verdict)}` }, kVerdicts[verdictClass(verdict)] ?? 'not measured');

const bitsOfCache = (row) =>
  row.kv_bits_k === row.kv_bits_v ? format.significant(row.kv_bits_k, 4) : `${format.significant(row.kv_bits_k, 4)} : ${format.significant(row.kv_bits_v, 4)}`;

/** The columns that decide, and the rest. */
export function columns(grid) {
  const size = { title: 'size', explained: `bytes of ${grid.what}`, value: grid.bytes, cell: (row) => format.bytes(grid.bytes(row)) };
  const weights = [
    text('weights', (row) => row.weights),
    figure('weights_bpw_linear', 'bits / weight', 'true bits per weight of the matrices of the layers, scales included', (value) => format.significant(value, 3)),
  ];
  const cache = [
    text('cache', (row) => row.kv),
    { title: 'bits / value', explained: 'true bits per cached value, scales included; keys : values', value: (row) => row.kv_bits_k + row.kv_bits_v, cell: bitsOfCache },
  ];
  const first = [...(grid.weights ? weights : []), ...(grid.kv ? cache : [])];
  const main = [
    ...first,
    size,
    { title: 'verdict', left: true, explained: 'by the rules at the end of the page', value: (row) => Object.keys(kVerdicts).indexOf(row.verdict), cell: (row) => verdictChip(row.verdict) },
    figure('kld_mean', 'KLD mean', 'KL divergence from the base in nats, ± its standard error', format.withError, 'kld_mean_se'),
    figure('kld_p999', 'KLD 99.9 %', 'one position in a thousand is further off than this'),
    figure('top1_agreement', 'top-1 %', 'positions with the same most likely token', format.percent),
    figure('token_accuracy', 'token %', 'share of the base’s own greedy continuation that the row would have said', format.percent),
    figure('ppl', 'perplexity', '± standard error of the choice of text, not of the damage', format.withWideError, 'ppl_se'),
    figure('ppl_ratio', 'ratio to base', 'of perplexities, ± the standard error of paired differences', format.withError, 'ppl_ratio_se'),
  ];
  const more = [
    first[0],
    ...(grid.weights && grid.kv ? [cache[0]] : []),
    figure('kld_median', 'KLD median', ''),
    figure('kld_p99', 'KLD 99 %', ''),
    figure('kld_max', 'KLD max', ''),
    figure('missed_divergence', 'missed', 'mean of 1 − p(base’s token)/p(row’s token) where they differ: small is a near tie'),
    figure('base_token_ppl', 'ppl of base’s words', 'perplexity on the base’s own continuation'),
    figure('mae_logits', 'MAE logits', 'mean absolute difference of logits'),
    figure('rms_delta_p', 'RMS Δp', 'of the probability of the text’s own token'),
    { title: 'weights', explained: 'bytes of all tensors in memory', value: (row) => row.weights_bytes, cell: (row) => format.bytes(row.weights_bytes) },
    { title: 'cache', explained: 'bytes for one window', value: (row) => row.kv_bytes, cell: (row) => format.bytes(row.kv_bytes) },
    { title: 'peak memory', explained: 'of the process while the row ran', value: (row) => row.peak_rss_bytes, cell: (row) => format.bytes(row.peak_rss_bytes) },
    figure('prefill_tps', 'prompt t/s', 'tokens per second; no benchmark', format.fixed(0)),
    figure('decode_tps', 'decode t/s', 'tokens per second; no benchmark', format.fixed(1)),
  ];
  return { main, more };
}

function compare(column, descending) {
  const sign = descending ? -1 : 1;
  return (a, b) => {
    const [x, y] = [column.value(a), column.value(b)];
    if (column.text) return sign * String(x).localeCompare(String(y), 'en', { numeric: true });
    const [known, other] = [Number.isFinite(x), Number.isFinite(y)];
    if (!known || !other) return known === other ? 0 : known ? -1 : 1; // what was not measured comes last
    return sign * (x - y);
  };
}

/** The class of a table whose rows have long names, which a phone breaks. */
export const longNames = (names) => (names.some((name) => String(name).length > 18) ? 'long' : '');

/** A table of `rows`; `className` for its style. */
export function table(rows, list, className) {
  const body = h('tbody');
  const heads = list.map((column) => h('th', { scope: 'col', class: column.text || column.left ? 'text' : null, title: column.explained || null }));
  const cells = (row) => list.map((column, i) =>
    h(i === 0 ? 'th' : 'td', {
      scope: i === 0 ? 'row' : null,
      class: column.text || column.left ? 'text' : null,
      'data-field': column.field ?? null,
      'data-value': column.field && Number.isFinite(row[column.field]) ? row[column.field] : null,
    }, column.cell(row)));
  const lines = new Map(rows.map((row) => [row, h('tr', {}, ...cells(row))]));
  const show = (order) => body.replaceChildren(...order.map((row) => lines.get(row)));
  const sortBy = (column, head) => {
    const descending = head.getAttribute('aria-sort') === 'ascending';
    for (const other of heads) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
    show([...rows].sort(compare(column, descending)));
  };
  list.forEach((column, i) => heads[i].append(h('button', { type: 'button', onclick: () => sortBy(column, heads[i]) }, column.title)));
  show(rows);
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'table' },
    h('table', { class: `${className} ${list[0].text ? longNames(rows.map(list[0].value)) : ''}`.trim() }, h('thead', {}, h('tr', {}, ...heads)), body));
}
