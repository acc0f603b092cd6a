// Small charts in SVG: logarithmic axes, error bars, a name at each point.
import { h, s } from './dom.js';
import { kSeriesOrder } from './rows.js';

const kMargin = { top: 14, right: 14, bottom: 42, left: 56 };
const kFont = '11px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const kPowers = '⁰¹²³⁴⁵⁶⁷⁸⁹';

export const colorOf = (series) => Math.max(0, kSeriesOrder.indexOf(series)) % 10;

let pen = null;
/** The width of a name as style.css writes it. */
function widthOf(name) {
  pen ??= Object.assign(document.createElement('canvas').getContext('2d'), { font: kFont });
  return Math.ceil(pen.measureText(name).width);
}

/** 10⁻³ */
export function powerOfTen(exponent) {
  if (exponent >= -2 && exponent <= 2) return String(Number((10 ** exponent).toPrecision(1)));
  return `10${exponent < 0 ? '⁻' : ''}${[...String(Math.abs(exponent))].map((digit) => kPowers[digit]).join('')}`;
}

/** A map of [low, high] onto [from, to]. */
export function scale(low, high, from, to, log) {
  const at = log ? Math.log : (value) => value;
  const span = at(high) - at(low) || 1;
  return (value) => from + ((at(value) - at(low)) / span) * (to - from);
}

/** Below this a KL divergence is the rounding of f32; it is drawn on the floor. */
export const kFloor = 1e-6;

/** The decades that hold all values above the floor. */
export function decades(values) {
  const positive = values.filter((value) => value > kFloor && Number.isFinite(value));
  if (positive.length === 0) return [kFloor, 1];
  const low = Math.min(299, Math.floor(Math.log10(Math.min(...positive))));
  const high = Math.min(300, Math.ceil(Math.log10(Math.max(...positive)))); // beyond it a power of ten is no number
  return [Number(`1e${low}`), Number(`1e${Math.max(high, low + 1)}`)];
}

/** Round numbers in [low, high], for an axis of powers of two: 2, 3, 4, 6, 8, 16. */
export function doublingTicks(low, high, most) {
  const ticks = [];
  for (let unit = Math.max(Number.MIN_VALUE, 2 ** (Math.floor(Math.log2(low)) - 4)); unit <= high; unit *= 2) {
    for (const step of [1, 1.5]) if (unit * step >= low * 0.999 && unit * step <= high * 1.001) ticks.push(unit * step);
  }
  const whole = ticks.filter((tick) => Number.isInteger(Math.log2(tick)));
  return ticks.length <= most ? ticks : whole.length <= most ? whole : whole.filter((_tick, i) => i % Math.ceil(whole.length / most) === 0);
}

export function linearTicks(low, high, most) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => power * factor >= rough) ?? 10);
  const ticks = [];
  const first = Math.ceil(low / step) * step;
  // By count: where numbers are so large that a step is lost on them, a sum would never arrive.
  for (let i = 0; i <= most && first + i * step <= high; ++i) ticks.push(first + i * step);
  return ticks;
}

/** The mark of a series: its shape tells it apart where its color does not. */
function mark(series, x, y, hollow) {
  const attributes = { class: `mark c${colorOf(series)}${hollow ? ' hollow' : ''}` };
  const path = (d) => s('path', { ...attributes, d });
  switch (colorOf(series) % 5) {
    case 0: return s('circle', { ...attributes, cx: x, cy: y, r: 4 });
    case 1: return path(`M${x} ${y - 5}l5 9h-10z`);
    case 2: return s('rect', { ...attributes, x: x - 3.7, y: y - 3.7, width: 7.4, height: 7.4 });
    case 3: return path(`M${x} ${y - 5.3}l5.3 5.3-5.3 5.3-5.3-5.3z`);
    default: return path(`M${x} ${y + 5}l5-9h-10z`);
  }
}

/** The left end of a name that would begin at `left`, so that all of it is on the drawing. */
export const keptInside = (left, nameWidth, width) => Math.max(2, Math.min(left, width - nameWidth - 2));

/** Where names fit: the first of eight places around a point that hits neither another name nor a mark. */
function placeNames(points, width) {
  const taken = points.map(({ x, y }) => [x - 5, y - 5, x + 5, y + 5]);
  const hit = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
  return points.map(({ x, y, name }) => {
    const w = widthOf(name);
    const middle = Math.max(kMargin.left, keptInside(x - w / 2, w, width));
    const places = [
      [x + 8, y + 4], [x + 7, y - 6], [x + 7, y + 14], [x - w - 8, y + 4], [x - w - 7, y - 6], [x - w - 7, y + 14],
      [middle, y - 9], [middle, y + 18],
    ];
    for (const [left, base] of places) {
      const box = [left, base - 9, left + w, base + 2];
      if (box[0] < kMargin.left || box[2] > width || box[1] < 0 || taken.some((other) => hit(box, other))) continue;
      taken.push(box);
      return [left, base];
    }
    return null;
  });
}

/** Names to the right of the ends of lines, moved apart; a long one stands on its line in part. */
function placeAtEnds(points, width, height) {
  const order = points.map((point, i) => ({ ...point, i })).sort((a, b) => a.y - b.y);
  const places = [];
  let above = -Infinity;
  for (const { x, y, name, i } of order) {
    above = Math.max(y + 4, above + 12);
    places[i] = [keptInside(x + 6, widthOf(name), width), above];
  }
  const over = above - (height - kMargin.bottom);
  if (over > 0) for (const place of places) place[1] -= over;
  return places;
}

function axes({ width, height, right, x, y, xTicks, yDecades, xName, yName, xText }) {
  const bottom = height - kMargin.bottom;
  const parts = [];
  for (const [power, minor] of yDecades) {
    parts.push(s('line', { class: minor ? 'grid minor' : 'grid', x1: kMargin.left, x2: right, y1: y(power), y2: y(power) }));
    if (!minor) parts.push(s('text', { class: 'tick', x: kMargin.left - 7, y: y(power) + 4, 'text-anchor': 'end' }, powerOfTen(Math.round(Math.log10(power)))));
  }
  for (const tick of xTicks) {
    parts.push(s('line', { class: 'grid', x1: x(tick), x2: x(tick), y1: kMargin.top, y2: bottom }));
    parts.push(s('text', { class: 'tick', x: x(tick), y: bottom + 16, 'text-anchor': 'middle' }, xText(tick)));
  }
  parts.push(s('text', { class: 'axis', x: (kMargin.left + right) / 2, y: height - 6, 'text-anchor': 'middle' }, xName));
  parts.push(s('text', { class: 'axis', transform: `translate(13 ${(kMargin.top + bottom) / 2}) rotate(-90)`, 'text-anchor': 'middle' }, yName));
  return parts;
}

function decadesBetween(low, high) {
  const lines = [];
  const first = Math.round(Math.log10(low));
  const last = Math.round(Math.log10(high));
  for (let power = first; power <= last; ++power) {
    lines.push([10 ** power, false]);
    if (last - first <= 3 && power < last) for (const n of [2, 5]) lines.push([n * 10 ** power, true]);
  }
  return lines;
}

function bars(point, x, y, low) {
  if (!(point.error > 0) || !(point.y > 0)) return [];
  const top = y(point.y + 2 * point.error);
  const bottom = y(Math.max(point.y - 2 * point.error, low));
  if (bottom - top < 9) return []; // hidden by the mark
  const at = x(point.x);
  return [s('path', { class: `bar c${colorOf(point.series)}`, d: `M${at} ${top}V${bottom}M${at - 3} ${top}h6M${at - 3} ${bottom}h6` })];
}

/**
 * An error, on a logarithmic axis, of points {name, series, dash, x, y, error, title} over `x`. Points of one series and
 * dash are joined, or of one `options.line(point)`. `options`: xName, yName, xText, xLog, label, marks (false: lines
 * alone), whole (x is a whole number).
 */
function draw(points, options, width) {
  const height = Math.round(Math.min(400, Math.max(300, width * 0.68)));
  const shown = points.filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y) && (!options.xLog || point.x > 0));
  const [low, high] = decades(shown.map((point) => point.y));
  const xs = shown.map((point) => point.x);
  const pad = options.xLog ? 1.15 : 1;
  const longest = options.marks === false ? Math.max(0, ...[...new Set(shown.map((point) => point.name))].map(widthOf)) : 0;
  const right = width - (options.marks === false ? Math.min(width / 3, longest + 12) : kMargin.right);
  const [from, to] = [Math.min(...xs) / pad, Math.max(...xs) * pad];
  const x = scale(from, to, kMargin.left, right, options.xLog);
  const yScale = scale(low, high, height - kMargin.bottom, kMargin.top, true);
  const y = (value) => yScale(Math.max(value, low));
  const most = Math.max(2, Math.floor((width - 70) / 62));
  const parts = axes({
    width, height, right, x, y, xName: options.xName, yName: options.yName, xText: options.xText,
    xTicks: options.xLog ? doublingTicks(from, to, most) : linearTicks(from, to, most).filter((tick) => !options.whole || Number.isInteger(tick)),
    yDecades: decadesBetween(low, high),
  });
  const lines = new Map();
  for (const point of shown) {
    const key = `${options.line ? options.line(point) : point.series}/${point.dash ?? 0}`;
    lines.set(key, [...(lines.get(key) ?? []), point]);
  }
  for (const line of lines.values()) {
    line.sort((a, b) => a.x - b.x);
    if (line.length < 2) continue;
    const d = line.map((point, i) => `${i ? 'L' : 'M'}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`).join('');
    parts.push(s('path', { class: `line c${colorOf(line[0].series)} dash${line[0].dash ?? 0}`, d }, s('title', {}, line[0].lineTitle ?? line[0].series)));
  }
  const named = options.marks === false ? [...lines.values()].map((line) => line[line.length - 1]) : shown;
  if (options.marks !== false) {
    for (const point of shown) {
      parts.push(...bars(point, x, y, low));
      parts.push(s('g', { class: 'point' }, mark(point.series, x(point.x), y(point.y), !(point.y >= low)), s('title', {}, point.title)));
    }
  }
  const ends = named.map((point) => ({ x: x(point.x), y: y(point.y), name: point.name }));
  const places = options.marks === false ? placeAtEnds(ends, width, height) : placeNames(ends, width);
  named.forEach((point, i) => {
    if (places[i]) parts.push(s('text', { class: `name c${colorOf(point.series)}`, x: places[i][0], y: places[i][1] }, point.name));
  });
  return s('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': options.label }, ...parts);
}

/** The chart in a figure; drawn again where its width changes, so that its letters keep their size. */
export function chart(points, options) {
  const holder = h('div', { class: 'chart' });
  let drawn = 0;
  const redraw = () => {
    const width = Math.round(Math.min(720, Math.max(280, holder.clientWidth || 520)));
    if (width === drawn) return;
    drawn = width;
    holder.replaceChildren(draw(points, options, width));
  };
  redraw();
  new ResizeObserver(() => requestAnimationFrame(redraw)).observe(holder);
  return h('figure', {}, h('figcaption', {}, options.label), holder);
}

export function legend(seriesNames, caches) {
  const swatch = (...children) => s('svg', { viewBox: '0 0 26 14', width: 26, height: 14, 'aria-hidden': 'true' }, ...children);
  const families = kSeriesOrder.filter((series) => seriesNames.includes(series));
  return h('ul', { class: 'legend' },
    families.map((series) => h('li', {}, swatch(s('path', { class: `line c${colorOf(series)}`, d: 'M0 7h26' }), mark(series, 13, 7, false)), series)),
    caches.map((kv, i) => h('li', {}, swatch(s('path', { class: `line plain dash${i % 4}`, d: 'M0 7h26' })), `cache ${kv}`)));
}
