// The part of a pane that marks its picture: side letters and a scale, from what was drawn.

import { letter } from './layout.js'

export const marks = {
  // Letters at the edges of each tile, from what was drawn: the direction in mm between two points of the tile.
  mark() {
    const nv = this.nv
    if (!this.ready) return
    const dpr = nv.uiData.dpr || 1
    const found = []
    nv.screenSlices.forEach((tile, index) => {
      if (tile.axCorSag > 2 || !Number.isFinite(tile.sliceFrac)) return
      const box = tile.leftTopWidthHeight.map((v) => v / dpr)
      const at = (u, v) => nv.frac2mm(nv.screenXY2TextureFrac(
        tile.leftTopWidthHeight[0] + u * tile.leftTopWidthHeight[2], tile.leftTopWidthHeight[1] + v * tile.leftTopWidthHeight[3], index, false), 0, true)
      const between = (a, b) => [0, 1, 2].map((i) => b[i] - a[i])
      const right = letter(between(at(0.4, 0.5), at(0.6, 0.5)))
      const top = letter(between(at(0.5, 0.6), at(0.5, 0.4)))
      found.push({ plane: ['Axial', 'Coronal', 'Sagittal'][tile.axCorSag], box, right, top, mm: Math.abs(tile.fovMM[0]) })
    })
    this.drawMarks(found)
  },

  drawMarks(tiles) {
    const opposite = { L: 'R', R: 'L', A: 'P', P: 'A', S: 'I', I: 'S' }
    const known = this.image.oriented
    const text = JSON.stringify([tiles, known])
    if (text === this.marked) return
    this.marked = text
    this.edges = tiles.map(({ plane, right, top }) => ({ plane, left: opposite[right], right, top, bottom: opposite[top] }))
    this.marks.replaceChildren(...tiles.flatMap(({ plane, box: [x, y, w, h], right, top, mm }) => {
      const put = (cls, px, py, what) => {
        const mark = document.createElement('span')
        mark.className = `mark ${cls}`
        mark.style.transform = `translate(${px.toFixed(1)}px, ${py.toFixed(1)}px)`
        mark.textContent = what
        return mark
      }
      const side = (l) => (known || !'LR'.includes(l) ? l : '?')
      const found = [
        put(`e ${'LR'.includes(right) ? 'side' : ''}`, x + w, y + h / 2, side(right)), put(`w ${'LR'.includes(right) ? 'side' : ''}`, x, y + h / 2, side(opposite[right])),
        put('n', x + w / 2, y, side(top)), put('s', x + w / 2, y + h, side(opposite[top])),
      ]
      if (plane === 'Axial') {
        const bar = put('scale', x + w - 14, y + h - 14, '5 cm')
        bar.style.width = `${((50 * w) / mm).toFixed(1)}px`
        if ((50 * w) / mm < w / 2.5) found.push(bar)
      }
      return found
    }))
  },
}
