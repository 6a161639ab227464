// Numbers for the screen and windows from voxels. Pure.

// Two significant decimals at least, none where they mean nothing; true minus sign.
export function show(value) {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3
  return value.toFixed(digits).replace('-', '−')
}

export const whole = (value) => (Math.round(value) || 0).toString().replace('-', '−')

export const megabytes = (bytes) => (bytes / 1e6).toFixed(1)

// A unit as it is read after a number: "10⁻⁶ mm²/s" becomes "×10⁻⁶ mm²/s".
export const unitAfter = (unit) => (unit ? (unit.startsWith('10') ? ` ×${unit}` : ` ${unit}`) : '')

// About 250 000 voxels that are not background (0) in the file's values, sorted. values: stored voxels.
function sample(values, { slope, inter }) {
  const stride = Math.max(1, Math.floor(values.length / 250000)) | 1
  const found = []
  for (let i = 0; i < values.length; i += stride) {
    const value = values[i] * slope + inter
    if (Number.isFinite(value) && values[i] !== 0) found.push(value)
  }
  return Float64Array.from(found).sort()
}

const quantile = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]

// Window [low, high] by percentiles of the voxels that are not background.
export function autoWindow(values, scaling) {
  const sorted = sample(values, scaling)
  if (sorted.length < 16) return [0, 1]
  const [low, high] = [quantile(sorted, 0.02), quantile(sorted, 0.995)]
  return high > low ? [low, high] : [low, low + 1]
}

// The factor that brings an ADC map to 10⁻⁶ mm²/s, by the same rule as core/imaging/windowing.py: the median of what is
// not faint lies in 300 to 3000. null when the values are no diffusion coefficients.
export function adcScale(values, scaling) {
  const positive = sample(values, scaling).filter((v) => v > 0)
  if (!positive.length) return null
  const floor = 0.05 * quantile(positive, 0.99)
  const median = quantile(positive.filter((v) => v >= floor), 0.5)
  return [1e6, 1e3, 1, 0.1].find((factor) => median * factor >= 300 && median * factor < 3000) ?? null
}
