// Masks as bits (1 truth or another result, 2 prediction) under a level of heat, and their connected components. Pure but
// for giving way to the page.

export const TRUTH = 1
export const PREDICTION = 2
export const HEAT = 4 // in what is shown; in a voxel the six upper bits are the level
export const MASKS = TRUTH | PREDICTION
const LEVELS = 62
const LABELS3 = [0, TRUTH | PREDICTION, PREDICTION, TRUTH] // true positive, false positive, false negative

export const breathe = () => new Promise((resolve) => { setTimeout(resolve) })

// Adds one mask or map to bits (Uint8Array, one per voxel). values: stored voxels; slope, inter: to their meaning.
export function addBits(bits, values, { slope, inter }, kind, colour) {
  if (kind === 'heat') return addHeat(bits, values, { slope, inter })
  const bit = colour === 'prediction' ? PREDICTION : TRUTH
  const labels = kind === 'labels3' || kind === 'differ3'
  for (let i = 0; i < bits.length; i++) {
    if (values[i] === 0 && inter === 0) continue
    const value = values[i] * slope + inter
    if (labels) bits[i] |= LABELS3[Math.round(value)] ?? 0
    else if (value > 0.5) bits[i] |= bit
  }
  return bits
}

// A map of 0..1 as a level; of several the highest. Only what rounds to 0 is nothing.
function addHeat(bits, values, { slope, inter }) {
  for (let i = 0; i < bits.length; i++) {
    const level = Math.round(Math.min(1, Math.max(0, values[i] * slope + inter)) * LEVELS)
    if (level > bits[i] >> 2) bits[i] = (bits[i] & MASKS) | (level << 2)
  }
  return bits
}

// What the shader reads: red prediction, blue truth, and green the level where there is heat (`hot`). Where there is none
// these are the colours of the 3D view; heat alone is not opaque, so that the 3D view does not show it. With heat the
// voxels are counted from 4 on (`lift`), because NiiVue reads the first two entries of a long table as the third.
export function lookup(hot) {
  const codes = Array.from({ length: hot ? 256 : 4 }, (_, v) => v)
  const bits = (v) => (hot && v < 4 ? 0 : v & MASKS)
  return {
    R: codes.map((v) => [0, 86, 230, 255][bits(v)]),
    G: codes.map((v) => (hot ? Math.round((Math.max(0, (v >> 2) - 1) * 255) / LEVELS) : [0, 180, 159, 255][v])),
    B: codes.map((v) => [0, 233, 0, 255][bits(v)]),
    A: codes.map((v) => (bits(v) ? 255 : 0)),
    I: codes,
  }
}

// Bits with heat as `lookup` counts them; in place. Masks stay in the two lower bits.
export function lift(bits) {
  for (let i = 0; i < bits.length; i++) if (bits[i]) bits[i] += 4
  return bits
}

// The 26 neighbours of a voxel as [dx, dy, dz, offset].
function neighbours([nx, ny]) {
  const found = []
  for (let dz = -1; dz <= 1; dz++) for (let dy = -1; dy <= 1; dy++) for (let dx = -1; dx <= 1; dx++) {
    if (dx || dy || dz) found.push([dx, dy, dz, dx + nx * (dy + ny * dz)])
  }
  return found
}

function flood(start, bits, seen, [nx, ny, nz], around) {
  const members = [start]
  seen[start] = 1
  for (let at = 0; at < members.length; at++) {
    const i = members[at]
    const x = i % nx, y = ((i / nx) | 0) % ny, z = (i / (nx * ny)) | 0
    for (const [dx, dy, dz, step] of around) {
      const ax = x + dx, ay = y + dy, az = z + dz
      if (ax < 0 || ay < 0 || az < 0 || ax >= nx || ay >= ny || az >= nz) continue
      const j = i + step
      if (bits[j] & MASKS && !seen[j]) { seen[j] = 1; members.push(j) }
    }
  }
  return members
}

// The member nearest to the middle of its component: a voxel inside, also for a crescent.
function heart(members, [nx, ny]) {
  const place = (i) => [i % nx, ((i / nx) | 0) % ny, (i / (nx * ny)) | 0]
  const sum = [0, 0, 0]
  for (const i of members) place(i).forEach((v, a) => { sum[a] += v })
  const middle = sum.map((v) => v / members.length)
  let best = members[0], least = Infinity
  for (const i of members) {
    const distance = place(i).reduce((d, v, a) => d + (v - middle[a]) ** 2, 0)
    if (distance < least) { least = distance; best = i }
  }
  return place(best)
}

// Components by 26-connectivity, largest first: [{count, voxel: [i, j, k]}], or null when cancelled() says so.
export async function components(bits, dims, cancelled = () => false) {
  const seen = new Uint8Array(bits.length)
  const around = neighbours(dims)
  const found = []
  let until = performance.now() + 12
  for (let i = 0; i < bits.length; i++) {
    if (bits[i] & MASKS && !seen[i]) {
      const members = flood(i, bits, seen, dims, around)
      found.push({ count: members.length, voxel: heart(members, dims) })
    }
    if ((i & 0xfff) === 0 && performance.now() > until) {
      await breathe()
      if (cancelled()) return null
      until = performance.now() + 12
    }
  }
  return found.sort((a, b) => b.count - a.count)
}
