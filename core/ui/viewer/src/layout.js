// Where the tiles of a panel go: the arrangement that gives the images the most room. Pure; fractions of the panel.

const [AXIAL, CORONAL, SAGITTAL, RENDER] = [0, 1, 2, 4]

const split = (f) => [f, 1 - f]
const tile = (sliceType, x, y, w, h) => ({ sliceType, position: [x, y, w, h] })

// Candidate arrangements: a large axial beside or above the others, a row, a square.
function candidates(with3d) {
  const found = []
  for (const f of [0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7]) {
    const [a, b] = split(f)
    if (with3d) {
      found.push([tile(AXIAL, 0, 0, a, 1), tile(CORONAL, a, 0, b / 2, 0.5), tile(SAGITTAL, a, 0.5, b, 0.5), tile(RENDER, a + b / 2, 0, b / 2, 0.5)])
      found.push([tile(AXIAL, 0, 0, a, 1), tile(CORONAL, a, 0, b, 0.34), tile(SAGITTAL, a, 0.34, b, 0.33), tile(RENDER, a, 0.67, b, 0.33)])
      found.push([tile(AXIAL, 0, 0, 1, a), tile(CORONAL, 0, a, 0.34, b), tile(SAGITTAL, 0.34, a, 0.36, b), tile(RENDER, 0.7, a, 0.3, b)])
    } else {
      found.push([tile(AXIAL, 0, 0, a, 1), tile(CORONAL, a, 0, b, 0.5), tile(SAGITTAL, a, 0.5, b, 0.5)])
      found.push([tile(AXIAL, 0, 0, 1, a), tile(CORONAL, 0, a, 0.47, b), tile(SAGITTAL, 0.47, a, 0.53, b)])
    }
  }
  if (!with3d) for (const a of [0.34, 0.38, 0.42]) found.push([tile(AXIAL, 0, 0, a, 1), tile(CORONAL, a, 0, (1 - a) * 0.46, 1), tile(SAGITTAL, a + (1 - a) * 0.46, 0, (1 - a) * 0.54, 1)])
  if (with3d) found.push([tile(AXIAL, 0, 0, 0.5, 0.5), tile(CORONAL, 0.5, 0, 0.5, 0.5), tile(SAGITTAL, 0, 0.5, 0.5, 0.5), tile(RENDER, 0.5, 0.5, 0.5, 0.5)])
  return found
}

// Area that an image of w × h mm fills in a box of bw × bh pixels.
function area(w, h, bw, bh) {
  const scale = Math.min(bw / w, bh / h)
  return scale * scale * w * h
}

// Tiles for a panel of width × height pixels and an image of mm = [left-right, front-back, foot-head].
export function planes(width, height, mm, with3d) {
  const size = { [AXIAL]: [mm[0], mm[1]], [CORONAL]: [mm[0], mm[2]], [SAGITTAL]: [mm[1], mm[2]], [RENDER]: [mm[1], mm[1]] }
  const weight = { [AXIAL]: 2, [CORONAL]: 1, [SAGITTAL]: 1, [RENDER]: 0.7 }
  let best = null, most = -1
  for (const tiles of candidates(with3d)) {
    const worth = tiles.reduce((sum, { sliceType, position: [, , w, h] }) =>
      sum + weight[sliceType] * Math.sqrt(area(...size[sliceType], w * width, h * height)), 0)
    if (worth > most) { most = worth; best = tiles }
  }
  return best
}

// The letter of the direction in which a position grows: direction is a vector in RAS+ mm.
export function letter(direction) {
  const axis = direction.map(Math.abs).reduce((best, v, i, all) => (v > all[best] ? i : best), 0)
  return (direction[axis] >= 0 ? 'RAS' : 'LPI')[axis]
}
