// Facts hidden in texts: for each level a map of lengths and depths.
import { h } from './dom.js';
import * as format from './format.js';
import { grid as gridOf } from './rows.js';

const kTitles = { passkey: 'One fact: a pass key', pairs: 'One of eight facts' };
const kAbout = {
  passkey: 'The other candidates stand nowhere in the text: this asks whether the fact is read at all.',
  pairs: 'Seven of the other candidates stand in the text beside other names: this asks whether the right fact is read.',
};
export const taskTitle = (task) => (Object.hasOwn(kTitles, task) ? kTitles[task] : String(task));

/** 0 … 4: how dark the cell is. Chance is the lightest. */
export function shade(share, chance) {
  if (typeof share !== 'number' || !(share > chance)) return 0;
  return Math.min(4, 1 + Math.floor(((share - chance) / (1 - chance)) * 3.999));
}

function map(row, name, task, { lengths, depths, candidates }) {
  const cells = row.cells.filter((cell) => cell.task === task);
  const places = [...new Set(cells.map((cell) => cell.depth))];
  const cellAt = (length, depth) => cells.find((cell) => cell.length === length && cell.depth === depth);
  const mean = cells.reduce((sum, cell) => sum + (cell.first ?? 0), 0) / cells.length;
  return h('figure', { class: 'map' },
    h('figcaption', {}, name, h('small', {}, `${format.significant(100 * mean)} % right`)),
    h('table', { 'aria-label': `${name}, ${depths} depths by ${lengths.length} lengths` },
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, ''), lengths.map((length) => h('th', { scope: 'col' }, format.count(length))))),
      h('tbody', {}, places.map((depth) => h('tr', {}, h('th', { scope: 'row' }, `${Math.round(100 * depth)} %`),
        lengths.map((length) => {
          const cell = cellAt(length, depth);
          if (!cell) return h('td', {}, format.kDash);
          return h('td', {
            class: `shade${shade(cell.first, 1 / candidates)}`,
            title: `${format.significant(100 * cell.first)} % right, probability ${format.significant(cell.probability, 2)}, mean rank ${format.significant(cell.rank, 2)}, said in ${format.significant(100 * cell.exact)} %`,
          }, format.significant(100 * cell.first));
        }))))));
}

export function retrieval(report, heading) {
  const grid = gridOf(report);
  const { settings } = report;
  const rows = [report.base, ...report.rows];
  const name = (row) => (row === report.base ? 'base' : grid.name(row));
  return h('section', { class: 'retrieval' },
    heading ? h('h2', {}, heading) : null,
    h('ul', { class: 'words' }, report.summary.map((sentence) => h('li', { class: /worse than/.test(sentence) ? 'worse' : /cannot show/.test(sentence) ? 'notice' : 'plain' }, sentence))),
    settings.tasks.flatMap((task) => [
      h('h3', {}, taskTitle(task)),
      h('div', { class: 'maps' }, rows.map((row) => map(row, name(row), task, settings))),
      h('p', { class: 'note' }, Object.hasOwn(kAbout, task) ? kAbout[task] : ''),
    ]),
    h('p', { class: 'note' }, `Columns: tokens of the whole prompt. Rows: where the fact stands, 0 % at the beginning. Numbers: % of ${settings.trials} trials in which the right answer of ${settings.candidates} is the most probable; by chance ${format.significant(100 / settings.candidates, 2)} %.`),
    h('p', { class: 'note' }, `Hidden in ${settings.text}, written as ${settings.style}. ${report.model.name}, ${report.machine.cpu}, ${report.machine.simd} kernels, ${format.count(report.machine.threads)} threads.`),
    settings.command ? h('p', { class: 'rerun' }, 'To run it again:') : null,
    settings.command ? h('pre', {}, settings.command) : null);
}
