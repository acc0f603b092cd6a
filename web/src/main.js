// The report page: reads the reports that stand in it and draws them.
import { comparison } from './comparison.js';
import { h } from './dom.js';
import * as format from './format.js';
import { retrieval } from './retrieval.js';
import { grid } from './rows.js';
import { section } from './section.js';
import { tasks } from './tasks.js';
import './style.css';

const kRules = [
  ['indistinguishable', 'at this sample size: the perplexity is within three standard errors of the base’s, and the most likely token is the same at 99 % of positions or more; or the mean KL divergence is at most 10⁻⁶ nats, the rounding of f32. Never with fewer than 300 scored tokens: then even no difference seen leaves room for 1 %.'],
  ['close', 'measurably different: the same most likely token at 95 % of positions or more, and a perplexity at most 1 % worse, its error (three standard errors) granted.'],
  ['visibly worse', 'everything between close and collapsed.'],
  ['collapsed', 'the perplexity is doubled, or fewer than half of the most likely tokens are the same, or a figure is not finite.'],
];

function rules() {
  return h('section', { class: 'rules' },
    h('h2', {}, 'How to read this'),
    h('p', {}, 'Each row is one way to hold the weights together with one cache; the base is the model as its file has it. Both read the same text side by side. The KL divergence compares the whole distribution of the next token and is 0 only where nothing moved; perplexity alone hides damage, since it can fall by chance. Long answers break in the tail: look at the 99.9 % column.'),
    h('dl', { class: 'verdicts' }, kRules.map(([name, rule]) => [h('dt', {}, name), h('dd', {}, rule)])),
    h('p', {}, 'Verdicts hold for this model, this text and this window. Rows that lose stay in.'));
}

/** Rows × reports, where there are several. */
function overview(reports, titles) {
  const grids = reports.map(grid);
  const names = [...new Set(reports.flatMap((report) => report.rows.map((row) => `${row.weights} × ${row.kv}`)))];
  const find = (report, name) => report.rows.find((row) => `${row.weights} × ${row.kv}` === name);
  const bothEverywhere = grids.some((one) => one.weights && one.kv);
  const label = (name) => {
    const i = reports.findIndex((report) => find(report, name));
    return bothEverywhere ? name : grids[i].name(find(reports[i], name));
  };
  return h('section', {},
    h('h2', {}, 'Side by side'),
    h('p', { class: 'note' }, 'Mean KL divergence of each row in each report, ± its standard error.'),
    h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'reports side by side' }, h('table', { class: 'overview' },
      h('thead', {}, h('tr', {}, h('th', { scope: 'col', class: 'text' }, 'row'), titles.map((title) => h('th', { scope: 'col' }, title)))),
      h('tbody', {}, names.map((name) => h('tr', {}, h('th', { scope: 'row', class: 'text' }, label(name)),
        reports.map((report) => {
          const row = find(report, name);
          return h('td', {}, row ? format.withError(row.kld_mean, row.kld_mean_se) : format.kDash);
        })))))));
}

function saveButton(text) {
  return h('button', {
    type: 'button',
    class: 'save',
    onclick: () => {
      const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
      h('a', { href: url, download: 'turboquant-report.json' }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    },
  }, 'Save the figures as JSON');
}

function titlesOf(reports) {
  const titles = reports.map(({ model, settings, machine }) => `${model.name}, ${settings.text}, ${machine.cpu}`);
  return titles.map((title, i) => (titles.filter((other) => other === title).length > 1 ? `${i + 1}: ${title}` : title));
}

function draw() {
  const text = document.getElementById('reports').textContent;
  const { reports, comparisons = [], retrievals = [], tasks: examinations = [] } = JSON.parse(text);
  const models = [...new Set([...reports, ...comparisons, ...retrievals, ...examinations].map((report) => report.model.name))].join(', ');
  document.title = `What compression costs: ${models}`;
  const many = reports.length > 1;
  const titles = titlesOf(reports);
  const lead = reports.length === 0
    ? comparisons.length ? 'One prompt at every level of compression, side by side' : retrievals.length ? 'Facts hidden in texts: are they still found?' : 'Questions with known answers: are they still answered?'
    : many
    ? `${reports.length} evaluations of ${models}`
    : `${reports[0].settings.text}, ${format.count(reports[0].settings.scored_tokens)} tokens scored, ${grid(reports[0]).what} against an uncompressed base`;
  document.getElementById('page').replaceChildren(
    h('header', {}, h('p', { class: 'kicker' }, 'What compression costs'), h('h1', {}, models), h('p', { class: 'lead' }, lead)),
    ...(many ? [overview(reports, titles)] : []),
    ...reports.map((report, i) => section(report, many ? titles[i] : null)),
    ...comparisons.map((report) => comparison(report, reports.length ? 'One prompt, side by side' : null)),
    ...retrievals.map((report) => retrieval(report, reports.length ? 'Facts hidden in texts' : null)),
    ...examinations.map((report) => tasks(report, reports.length ? 'Tasks' : null)),
    ...(reports.length ? [rules()] : []),
    h('footer', {}, saveButton(text), h('p', {}, 'Made by tq (turboquant). The figures are in this file as JSON, in the script element “reports”; it loads nothing from anywhere.')));
  document.documentElement.dataset.drawn = String(reports.length + comparisons.length + retrievals.length + examinations.length);
}

draw();
