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

// Percentile window [low, high] of the voxels that are not background (0), in the file's values. values: stored voxels.
export function autoWindow(values, { slope, inter }) {
  const stride = Math.max(1, Math.floor(values.length / 250000)) | 1
  const sample = []
  for (let i = 0; i < values.length; i += stride) {
    const value = values[i] * slope + inter
    if (Number.isFinite(value) && values[i] !== 0) sample.push(value)
  }
  if (sample.length < 16) return [0, 1]
  const sorted = Float64Array.from(sample).sort()
  const at = (p) => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]
  const [low, high] = [at(0.02), at(0.995)]
  return high > low ? [low, high] : [low, low + 1]
}
