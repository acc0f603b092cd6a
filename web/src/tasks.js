// Tasks: how many items base and rows get right, and whether that differs beyond chance.
import { colorOf } from './chart.js';
import { h, s } from './dom.js';
import * as format from './format.js';
import { grid as gridOf } from './rows.js';
import { figure, table, text } from './table.js';

const kMarks = [[/: worse than the base|became less likely/, 'worse'], [/not better than chance|^Stopped early/, 'notice']];

const share = (value, error) => (Number.isFinite(value) && Number.isFinite(error) ? `${format.percent(value)} ± ${format.percent(error)}` : format.percent(value));
const pValue = (value) => (!Number.isFinite(value) ? format.kDash : value < 0.001 ? value.toExponential(0) : value.toFixed(3));
const change = (value, error) => (value > 0 ? '+' : '') + format.withError(value, error);

/** The base and the rows of one task, as lines of a table; what is no comparison with the base is null in the base's. */
export function linesOf(report, index, grid) {
  return [report.base, ...report.rows].map((row) => {
    const isBase = row === report.base;
    const line = { ...row.scores[index], name: isBase ? 'base' : grid.name(row), family: isBase ? null : grid.family(row), bits: grid.bits(row), bytes: grid.bytes(row) };
    if (isBase) for (const field of Object.keys(line)) if (/_(lost|gained|p)$|^ll_change/.test(field)) line[field] = null;
    return line;
  });
}

function columnsOf(lines, grid) {
  const known = (field) => lines.some((line) => Number.isFinite(line[field]));
  const accuracy = (field, title, explained) => (known(field) ? [
    figure(field, `${title} %`, `${explained}, ± its standard error`, share, `${field}_se`),
    ...(field === 'acc_bytes' ? [] : [
      figure(`${field}_lost`, 'lost', 'items that only the base gets right', format.count),
      figure(`${field}_gained`, 'gained', 'items that only the row gets right', format.count),
      figure(`${field}_p`, 'p', 'McNemar’s exact test of lost and gained: how probable so uneven a split is by chance', pValue)]),
  ] : []);
  return [
    text(grid.what, (line) => line.name),
    ...accuracy('acc', 'right', 'items whose right answer is the most likely one'),
    figure('ll_change', 'Δ ln p', 'mean change of ln p(right answer) from the base, ± the standard error of the paired differences', change, 'll_change_se'),
    { title: grid.weights ? 'bits / weight' : 'bits / value', explained: grid.bitsOf, value: (line) => line.bits, cell: (line) => format.significant(line.bits, 4) },
    { title: 'size', explained: `bytes of ${grid.what}`, value: (line) => line.bytes, cell: (line) => format.bytes(line.bytes) },
    ...accuracy('acc_norm', 'by character', 'by likelihood over the characters of the answer'),
    ...accuracy('acc_bytes', 'by byte', 'by likelihood over the bytes of the answer'),
    figure('perplexity', 'perplexity', 'of the right answers; only to be compared with other rows', format.withError, 'perplexity_se'),
  ];
}

/** The share of right answers of each line with ± 2 standard errors, a line at the base's and one at chance. */
function dots(lines, task) {
  const shown = lines.filter((line) => Number.isFinite(line.acc));
  if (shown.length < 2) return null;
  const kRow = 20, kTop = 6, kWidth = 420, kNames = 176, kRight = kWidth - 14;
  const ends = shown.flatMap((line) => [line.acc - 2 * (line.acc_se || 0), line.acc + 2 * (line.acc_se || 0)]);
  const marks = task.chance > 0 ? [...ends, task.chance] : ends;
  const [low, high] = [Math.max(0, Math.min(...marks) - 0.02), Math.min(1, Math.max(...marks) + 0.02)];
  const x = (value) => kNames + ((Math.min(high, Math.max(low, value)) - low) / (high - low || 1)) * (kRight - kNames);
  const bottom = kTop + shown.length * kRow;
  const vertical = (value, className) => s('line', { class: className, x1: x(value), x2: x(value), y1: kTop, y2: bottom });
  const short = (name) => (name.length > 30 ? `${name.slice(0, 29)}…` : name);
  return h('figure', { class: 'dots' },
    h('figcaption', {}, `Right answers, % ± 2 standard errors`),
    s('svg', { viewBox: `0 0 ${kWidth} ${bottom + 22}`, role: 'img', 'aria-label': `Right answers of ${task.name}` },
      vertical(shown[0].acc, 'grid'),
      task.chance > 0 ? vertical(task.chance, 'grid dash1') : null,
      shown.map((line, i) => {
        const y = kTop + (i + 0.5) * kRow;
        const color = line.family === null ? 'plain' : `c${colorOf(line.family)}`;
        return s('g', {},
          s('text', { x: kNames - 10, y: y + 4, 'text-anchor': 'end' }, short(line.name)),
          line.acc_se > 0 ? s('path', { class: `bar ${color}`, d: `M${x(line.acc - 2 * line.acc_se)} ${y}H${x(line.acc + 2 * line.acc_se)}` }) : null,
          s('circle', { class: `mark ${color}`, cx: x(line.acc), cy: y, r: 4 }),
          s('title', {}, `${line.name}: ${share(line.acc, line.acc_se)} %`));
      }),
      x(task.chance) - x(low) < 70 && task.chance > 0 ? null : s('text', { x: x(low), y: bottom + 16, 'text-anchor': 'start' }, `${format.significant(100 * low, 3)} %`),
      s('text', { x: x(high), y: bottom + 16, 'text-anchor': 'end' }, `${format.significant(100 * high, 3)} %`),
      task.chance > 0 ? s('text', { x: x(task.chance), y: bottom + 16, 'text-anchor': 'middle' }, `chance ${format.significant(100 * task.chance, 3)} %`) : null));
}

function facts(report) {
  const { model, machine, settings } = report;
  const fact = (name, value) => [h('dt', {}, name), h('dd', {}, value)];
  return h('dl', { class: 'facts' },
    fact('model', `${model.name}, ${model.architecture}, ${format.count(model.parameters)} parameters, ${format.bytes(model.file_bytes)}`),
    fact('base', `weights ${report.base.weights}, cache ${settings.base}`),
    settings.tasks.map((task) => fact(task.name, `${format.count(task.items)} items, ${format.count(task.answer_tokens)} tokens of answers${task.shortened ? `, ${format.count(task.shortened)} with a shortened context` : ''}; ${task.file}, SHA-256 ${task.sha256}`)),
    fact('context', `${format.count(settings.context)} tokens at most${report.partial ? '; interrupted' : ''}`),
    fact('machine', `${machine.cpu}, ${machine.simd} kernels, ${format.count(machine.threads)} threads`),
    fact('seed', format.count(settings.seed)));
}

export function tasks(report, heading) {
  const grid = gridOf(report);
  return h('section', { class: 'tasks' },
    heading ? h('h2', {}, heading) : null,
    h('ul', { class: 'words' }, report.summary.map((sentence) =>
      h('li', { class: kMarks.find(([test]) => test.test(sentence))?.[1] ?? 'plain' }, sentence))),
    report.settings.tasks.map((task, i) => {
      const lines = linesOf(report, i, grid);
      return [h('h3', {}, `${task.name}, ${format.count(task.items)} items`), dots(lines, task), table(lines, columnsOf(lines, grid), 'rows')];
    }),
    h('p', { class: 'note' }, 'Lost and gained are counted against the base, item by item; p is McNemar’s exact test of the two, and below 0.01 a row is called different. Most items agree, so lost and gained say more than two shares with their errors, and the change of ln p most.'),
    h('h3', {}, 'Model, tasks, machine'),
    facts(report),
    report.settings.command ? [h('p', { class: 'rerun' }, 'To run it again:'), h('pre', {}, report.settings.command)] : null);
}
