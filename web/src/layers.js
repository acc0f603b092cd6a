// Where in the model a row leaves the base: the error of each layer's keys, values, attention output and hidden state.
import { chart } from './chart.js';
import { h } from './dom.js';
import * as format from './format.js';
import { figure, table, text } from './table.js';

const kTensors = [
  ['k', 'keys', 'as attention reads them from the cache', 'K'],
  ['v', 'values', 'as attention reads them from the cache', 'V'],
  ['attention', 'attention output', 'what the heads give, before the output matrix', 'attention'],
  ['hidden', 'hidden state', 'the residual stream behind the layer', 'hidden'],
];
const kFigures = [
  ['relative_error', 'error', 'relative error: √(Σ‖x − base‖² / Σ‖base‖²)', format.aligned],
  ['cosine', 'cosine', 'mean cosine of the vectors', format.fixed(5)],
  ['mae', 'MAE', 'mean absolute error', format.aligned],
];

/** The largest relative error of a tensor among the layers: {error, layer}; null where none is finite. */
export function largest(row, tensor) {
  let found = null;
  row.layers.forEach((layer, i) => {
    const error = layer[tensor]?.relative_error;
    if (Number.isFinite(error) && !(found && found.error >= error)) found = { error, layer: i };
  });
  return found;
}

function worst(rows, grid) {
  const columns = [
    text(grid.what, grid.name),
    ...kTensors.map(([tensor, name, about]) => ({
      title: name,
      explained: `largest relative error of a layer (which): ${about}`,
      value: (row) => largest(row, tensor)?.error,
      cell: (row) => {
        const most = largest(row, tensor);
        return most ? [format.aligned(most.error), h('small', {}, ` (${most.layer})`)] : format.kDash;
      },
    })),
    figure('worst_layer', 'worst layer', 'raises the error of the hidden state the most', format.count),
  ];
  return table(rows, columns, 'rows');
}

/** Every figure of every layer; paper gets it only where it was opened. */
function everything(rows, grid) {
  const lines = rows.flatMap((row) => row.layers.map((layer, i) => {
    const line = { name: grid.name(row), layer: i };
    for (const [tensor] of kTensors) for (const [field] of kFigures) line[`${tensor}_${field}`] = layer[tensor]?.[field];
    return line;
  }));
  const columns = [
    text(grid.what, (line) => line.name),
    figure('layer', 'layer', 'from 0', format.count),
    ...kTensors.flatMap(([tensor, name, , short]) => kFigures.map(([field, title, about, show]) =>
      figure(`${tensor}_${field}`, `${short} ${title}`, `${name}: ${about}`, show))),
  ];
  return h('details', {}, h('summary', {}, 'Every layer'), table(lines, columns, 'more'));
}

export function byLayer(report, grid) {
  const rows = report.rows.filter((row) => row.layers?.length);
  if (rows.length === 0) return [];
  const points = (tensor) => rows.flatMap((row) => row.layers.map((layer, i) => ({
    name: grid.name(row),
    series: grid.family(row),
    lineTitle: grid.name(row),
    x: i,
    y: layer[tensor]?.relative_error,
    key: row,
  })));
  const keys = new Map(rows.map((row, i) => [row, i]));
  return [
    h('h3', {}, 'Layer by layer'),
    h('div', { class: 'charts' }, kTensors.map(([tensor, name]) => chart(points(tensor), {
      label: `Relative error of ${name}`, xName: 'layer', yName: 'relative error', marks: false, whole: true,
      xText: (tick) => format.count(tick), line: (point) => keys.get(point.key),
    }))),
    h('p', { class: 'note' }, 'Each row next to the base on the same text: keys and values as attention reads them from the cache, what the heads give before the output matrix, and the residual stream behind the layer. Errors of the layers before are in it. A line that jumps at one layer says where the row breaks; keys and values that are far off from the first layer on say that the cache is too narrow. A line on the floor is 10⁻⁶ or less.'),
    worst(rows, grid),
    everything(rows, grid),
  ];
}
