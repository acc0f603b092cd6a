// Numbers as people read them. What is not a number is a dash, never a zero.

export const kDash = '–';
const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

export const fixed = (digits) => (value) => (isNumber(value) ? value.toFixed(digits) : kDash);
export const percent = (value) => (isNumber(value) ? (100 * value).toFixed(2) : kDash);

/** At most `digits` significant digits; small numbers as 3.1e-5. */
export function significant(value, digits = 3) {
  if (!isNumber(value)) return kDash;
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(digits - 1).replace('e+', 'e');
  return String(Number(value.toPrecision(digits)));
}

/** The same with its zeros, for columns. */
export const aligned = (value) => (isNumber(value) && Math.abs(value) >= 1e-3 && Math.abs(value) < 1000 ? value.toPrecision(3) : significant(value));

/** "4.0502 ± 0.14": for columns that are compared digit by digit although the error is large. */
export const withWideError = (value, error) => (isNumber(value) && isNumber(error) && error >= 1e-3 && error < 1000 ? `${fixed(4)(value)} ± ${error.toPrecision(2)}` : withError(value, error));

/** "0.0099 ± 0.0004", "0.0389 ± 0.0013": the value with the digits that its error leaves it. */
export function withError(value, error) {
  if (!isNumber(value)) return kDash;
  if (!isNumber(error) || error <= 0) return significant(value);
  const size = Math.abs(value);
  if (size < 1e-3 && size > 0) return `${significant(value, 2)} ± ${significant(error, 1)}`;
  const power = Math.floor(Math.log10(error));
  const decimals = Math.min(8, Math.max(0, (error / 10 ** power < 2 ? 1 : 0) - power));
  return `${value.toFixed(decimals)} ± ${error.toFixed(decimals)}`;
}

export function bytes(value) {
  if (!isNumber(value)) return kDash;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1024 && unit + 1 < units.length) {
    value /= 1024;
    ++unit;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : Number(value.toPrecision(3))} ${units[unit]}`;
}

export const count = (value) => (isNumber(value) ? String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ' ') : kDash);
