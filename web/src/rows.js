// What the rows of a report are called, what they differ in, and the series they belong to.

const kFamilies = [
  ['uncompressed', /^(f32|f16|bf16)$/],
  ['TurboQuant, two passes', /^tq[\d.]+p/],
  ['TurboQuant, outlier split', /^tq[\d.]+-split/],
  ['TurboQuant', /^tq[\d.]+/],
  ['TurboQuant, trellis', /^tt[\d.]+/],
  ['extended RaBitQ', /^rabitq/],
  ['affine (MLX)', /^affine/],
  ['GGUF block types', /^(i?q\d|mxfp)/],
];
export const kSeriesOrder = [
  'TurboQuant', 'TurboQuant, trellis', 'GGUF block types', 'GGUF block types, rotated', 'uncompressed',
  'TurboQuant, two passes', 'extended RaBitQ', 'affine (MLX)', 'TurboQuant, outlier split', 'mixed', 'other',
];

/** The family of a codec or cache spec: `tq4`, `q4_0+rotate=on`, `tq4:tq3`. */
export function familyOf(spec) {
  const [codecs, ...options] = String(spec).split('+');
  const families = new Set(codecs.split(':').map((codec) => kFamilies.find(([, test]) => test.test(codec))?.[0] ?? 'other'));
  if (families.size > 1) return 'mixed';
  const [family] = families;
  return family === 'GGUF block types' && options.includes('rotate=on') ? 'GGUF block types, rotated' : family;
}

/** Do the rows differ in weights, in cache, or in both? The names, sizes and series follow from that. */
export function grid(report) {
  const rows = report.rows;
  const differ = (field) => rows.some((row) => row[field] !== rows[0][field]);
  const weights = differ('weights');
  const kv = differ('kv') || !weights;
  const caches = [...new Set(rows.map((row) => row.kv))];
  return {
    weights,
    kv,
    name: (row) => (weights && kv ? `${row.weights} × ${row.kv}` : weights ? row.weights : row.kv),
    bits: (row) => (weights ? row.weights_bpw_linear : (row.kv_bits_k + row.kv_bits_v) / 2),
    bytes: (row) => (weights ? row.weights_bytes : 0) + (kv ? row.kv_bytes : 0),
    family: (row) => familyOf(weights ? row.weights : row.kv),
    /** With both, rows of one family are a line for each cache. */
    dash: (row) => (weights && kv ? caches.indexOf(row.kv) % 4 : 0),
    caches: weights && kv ? caches : [],
    what: weights && kv ? 'weights and cache' : weights ? 'weights' : 'cache',
    bitsOf: weights ? 'true bits per weight of the matrices' : 'true bits per cached value',
  };
}

export const kVerdicts = {
  indistinguishable: 'indistinguishable',
  close: 'close',
  worse: 'visibly worse',
  collapsed: 'collapsed',
};
/** A word of the page's own, whatever the report says. */
export const verdictClass = (verdict) => (Object.hasOwn(kVerdicts, verdict) ? verdict : 'unknown');
