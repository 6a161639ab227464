// One panel: a canvas, its NiiVue instance, and the marks on the picture. Knows no toolbar, no server and no keys.

import { Niivue, NVImage, SHOW_RENDER, SLICE_TYPE } from '@niivue/niivue'
import sliceShader from './slice.glsl'
import { letter, planes } from './layout.js'
import { LoadError } from './load.js'
import { autoWindow } from './numbers.js'

export const LARGE = 8e6 // voxels; above it no 3D tile beside the slices
const LUT = { R: [0, 86, 230, 255], G: [0, 180, 159, 255], B: [0, 233, 0, 255], A: [0, 255, 255, 255], I: [0, 1, 2, 3] }
const OPTIONS = {
  interactive: false, dragAndDropEnabled: false, isOrientationTextVisible: false, isRadiologicalConvention: true,
  sagittalNoseLeft: true, backColor: [0, 0, 0, 1], crosshairColor: [0.95, 0.77, 0.35, 0.75], crosshairWidth: 0.45, crosshairWidthUnit: 'mm',
  crosshairGap: 22, show3Dcrosshair: false, loadingText: '', logLevel: 'error', isSliceMM: false, multiplanarShowRender: SHOW_RENDER.NEVER,
  isForceMouseClickToVoxelCenters: true, isColorbar: false, isRuler: false, isOrientCube: false, renderOverlayBlend: 1,
}

export function hasWebGL2() {
  const gl = document.createElement('canvas').getContext('webgl2')
  gl?.getExtension('WEBGL_lose_context')?.loseContext()
  return Boolean(gl)
}

export const scaling = (image) => {
  const { scl_slope: slope, scl_inter: inter } = image.hdr
  return { slope: Number.isFinite(slope) && slope !== 0 ? slope : 1, inter: Number.isFinite(inter) ? inter : 0 }
}

// NIfTI buffer -> NVImage. Rejects with LoadError.
export async function decode({ buffer, header }) {
  let image
  try {
    image = await NVImage.new(buffer, 'image.nii', 'gray', 1)
  } catch {
    throw new LoadError('cannot be decoded; export it again')
  }
  if (!image?.img || image.hdr.dims[1] * image.hdr.dims[2] * image.hdr.dims[3] > image.img.length) throw new LoadError('cannot be decoded; export it again')
  image.oriented = header.oriented
  image.auto = autoWindow(image.img, scaling(image))
  return image
}

// Two opposite corners of what is not background, in RAS+ mm, from a coarse look at the voxels.
function contentOf(image) {
  const { dims, affine } = image.hdr
  const n = [dims[1], dims[2], dims[3]]
  const { slope, inter } = scaling(image)
  const stride = n.map((v) => Math.max(1, Math.floor(v / 48)))
  const counts = n.map((v) => new Uint32Array(v))
  const look = (see) => {
    for (let k = 0; k < n[2]; k += stride[2]) for (let j = 0; j < n[1]; j += stride[1]) for (let i = 0; i < n[0]; i += stride[0]) {
      see(image.img[i + n[0] * (j + n[1] * k)] * slope + inter, i, j, k)
    }
  }
  let darkest = Infinity
  look((value) => { if (value < darkest) darkest = value })
  const [low, high] = image.auto
  const apart = low - darkest > 0.05 * (high - low) // the background is not among what set the window
  const least = apart ? (low + darkest) / 2 : low + 0.15 * (high - low)
  look((value, i, j, k) => { if (value > least) { counts[0][i]++; counts[1][j]++; counts[2][k]++ } })
  const ends = counts.map((c, a) => {
    const full = Math.max(...c) * 0.03
    const first = c.findIndex((v) => v > full)
    return first < 0 ? [0, n[a] - 1] : [first, c.findLastIndex((v) => v > full) + stride[a] - 1]
  })
  return [0, 1].map((e) => [0, 1, 2].map((r) => ends.reduce((sum, range, a) => sum + affine[r][a] * range[e], affine[r][3])))
}

// The grid of an image as text: equal texts, equal grids.
export const gridOf = (image) => JSON.stringify([image.hdr.dims.slice(1, 4), image.hdr.affine.flat().map((v) => v.toFixed(3))])

// An NVImage of bits (mask.js) on the grid of `like`; takes `like` over.
export function maskImage(like, bits) {
  like.img = bits
  Object.assign(like.hdr, { datatypeCode: 2, numBitsPerVoxel: 8, scl_slope: 1, scl_inter: 0, intent_code: 0 })
  like.cal_min = like.robust_min = like.global_min = 0
  like.cal_max = like.robust_max = like.global_max = 3
  like.setColormapLabel({ ...LUT })
  return like
}

export class Pane {
  layout = 'planes'
  radiological = true
  ready = false

  constructor(view, canvas, marks) {
    Object.assign(this, { view, canvas, marks })
  }

  // onDraw() after each picture, onLost() when the browser takes the graphics memory away.
  async start(onDraw, onLost) {
    this.onDraw = onDraw
    this.canvas.addEventListener('webglcontextlost', (e) => { e.preventDefault(); if (!this.gone) onLost() })
    const nv = new Niivue({ ...OPTIONS })
    this.nv = nv
    const drawNow = nv.drawScene.bind(nv)
    this.drawNow = () => {
      if (this.gone || !this.canvas.width || !this.canvas.height) return
      if (this.ready && this.layout === 'planes') nv.customLayout = this.tiles()
      if (this.ready && !this.moved) this.fit()
      drawNow()
      this.mark()
      this.onDraw(this)
    }
    nv.drawScene = () => { // many calls, one picture
      this.frame ??= requestAnimationFrame(() => { this.frame = null; this.drawNow() })
    }
    await nv.attachToCanvas(this.canvas, true)
    nv.setCustomSliceShader(sliceShader)
    const info = nv.gl.getExtension('WEBGL_debug_renderer_info')
    Object.assign(nv.scene, { volScaleMultiplier: 1.45, renderElevation: 15 })
    this.slow = /swiftshader|llvmpipe|software|basic render/i.test(info ? nv.gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : '')
    return this
  }

  get image() { return this.nv.volumes[0] }
  get voxels() { return this.image ? this.image.dimsRAS[1] * this.image.dimsRAS[2] * this.image.dimsRAS[3] : 0 }
  get with3d() { return !this.slow && this.voxels <= LARGE }

  // Takes the picture away at once.
  clear() {
    this.ready = false
    this.canvas.style.visibility = 'hidden'
    this.marks.replaceChildren()
    const nv = this.nv
    if (!nv) return
    nv.volumes = []
    nv.back = null
    nv.overlays = []
    nv.customLayout = null
    nv.screenSlices = []
    nv.gl?.clear(nv.gl.COLOR_BUFFER_BIT)
  }

  // image: NVImage; masks: NVImages of bits; low, high: window in the file's values.
  setImage(image, masks, colormap, [low, high]) {
    const nv = this.nv
    image.colormap = nv.colormaps().includes(colormap) ? colormap : 'gray' // sets a window of its own
    image.cal_min = low
    image.cal_max = high
    nv.back = image
    this.content = null
    this.setMasks(masks, image)
    this.ready = true
    this.setLayout(this.layout)
    this.canvas.style.visibility = ''
  }

  setMasks(masks, image = this.image) {
    const nv = this.nv
    if (nv.overlayTexture) nv.gl.deleteTexture(nv.overlayTexture) // NiiVue makes another one each time
    nv.overlayTexture = null
    nv.volumes = [image, ...masks]
    nv.overlays = masks
    nv.updateGLVolume()
    this.sharpen()
  }

  // Masks are shown voxel by voxel, images smoothly.
  sharpen() {
    const { gl, overlayTexture } = this.nv
    if (!overlayTexture) return
    gl.activeTexture(gl.TEXTURE2)
    gl.bindTexture(gl.TEXTURE_3D, overlayTexture)
    gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MIN_FILTER, gl.NEAREST)
    gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MAG_FILTER, gl.NEAREST)
  }

  // low, high in the file's values.
  setWindow(low, high) {
    const nv = this.nv
    this.image.cal_min = low
    this.image.cal_max = high
    if (!this.ready) return
    nv.refreshColormaps()
    nv.refreshLayers(this.image, 0)
    nv.drawScene()
  }

  // bits: which masks; fill: 0..1; contour: CSS pixels, 0 for none.
  setOverlay(bits, fill, contour) {
    const nv = this.nv
    nv.backgroundMasksOverlays = bits
    nv.overlayAlphaShader = fill
    nv.overlayOutlineWidth = contour * (nv.uiData.dpr || 1)
    nv.opts.renderOverlayBlend = bits ? 1 : 0
    if (nv.renderShader) {
      nv.renderShader.use(nv.gl)
      nv.gl.uniform1f(nv.renderShader.uniforms.renderOverlayBlend, bits ? 1 : 0)
    }
    nv.drawScene()
  }

  setRadiological(on) {
    this.radiological = on
    this.nv.opts.isRadiologicalConvention = on
    this.nv.opts.sagittalNoseLeft = true
    this.nv.drawScene()
  }

  // layout: 'planes' | 'axial' | '3d'
  setLayout(layout) {
    this.layout = layout
    const nv = this.nv
    nv.customLayout = null
    nv.opts.sliceType = layout === 'axial' ? SLICE_TYPE.AXIAL : layout === '3d' ? SLICE_TYPE.RENDER : SLICE_TYPE.MULTIPLANAR
    nv.drawScene()
  }

  tiles() {
    const { dimsRAS, pixDimsRAS } = this.image
    const mm = [1, 2, 3].map((a) => dimsRAS[a] * pixDimsRAS[a])
    return planes(this.canvas.width, this.canvas.height, mm, this.with3d)
  }

  get mm() { return Array.from(this.nv.frac2mm(this.nv.scene.crosshairPos, 0, true)).slice(0, 3) }

  // The crosshair to a place in RAS+ mm, kept inside the image.
  moveTo(mm) {
    const nv = this.nv
    const frac = nv.mm2frac(mm, 0, true)
    for (let a = 0; a < 3; a++) frac[a] = Math.min(1 - 1e-6, Math.max(0, frac[a]))
    nv.scene.crosshairPos = frac
    nv.drawScene()
  }

  // Index of the voxel under the crosshair in RAS order, and how many there are.
  get slice() {
    const vox = this.nv.frac2vox(this.nv.scene.crosshairPos)
    return { vox: Array.from(vox), dims: Array.from(this.image.dimsRAS.slice(1, 4)) }
  }

  step(axis, by) {
    const move = [0, 0, 0]
    move[axis] = by
    this.nv.moveCrosshairInVox(...move)
  }

  value(mm) {
    const image = this.image
    const vox = image.mm2vox(mm)
    const dims = image.dimsRAS
    if (vox.some((v, a) => v < 0 || v >= dims[a + 1])) return NaN
    return image.getValue(vox[0], vox[1], vox[2], 0)
  }

  // The tile under a point in CSS pixels of the canvas: {index, plane} with plane 0 axial, 1 coronal, 2 sagittal, 4 3D.
  tileAt(x, y) {
    const dpr = this.nv.uiData.dpr || 1
    const index = this.nv.screenSlices.findIndex(({ leftTopWidthHeight: [l, t, w, h] }) =>
      x * dpr >= l && x * dpr < l + w && y * dpr >= t && y * dpr < t + h)
    return index < 0 ? null : { index, plane: this.nv.screenSlices[index].axCorSag }
  }

  pointAt(x, y, tile) {
    const nv = this.nv
    const dpr = nv.uiData.dpr || 1
    const frac = nv.screenXY2TextureFrac(x * dpr, y * dpr, tile.index, true)
    if (frac[0] < 0) return false
    nv.scene.crosshairPos = nv.vox2frac(nv.frac2vox(frac))
    nv.drawScene()
    return true
  }

  pan(fromX, fromY, toX, toY, start, tile) {
    const nv = this.nv
    const dpr = nv.uiData.dpr || 1
    const slice = nv.screenSlices[tile.index]
    const mmPerPixel = (Math.abs(slice.fovMM[0]) / slice.leftTopWidthHeight[2]) * dpr * start[3]
    const across = tile.plane === 2 ? 1 : 0
    const upward = tile.plane === 0 ? 1 : 2
    const mirrored = tile.plane === 2 ? nv.opts.sagittalNoseLeft : nv.opts.isRadiologicalConvention
    const pan = [...start]
    pan[across] += (toX - fromX) * mmPerPixel * (mirrored ? -1 : 1)
    pan[upward] -= (toY - fromY) * mmPerPixel
    this.moved = true
    nv.scene.pan2Dxyzmm = pan
    nv.drawScene()
  }

  // Zoom about the crosshair.
  zoom(factor) {
    const nv = this.nv
    const [x, y, z, old] = nv.scene.pan2Dxyzmm
    const next = Math.min(16, Math.max(0.7, old * factor))
    const mm = nv.frac2mm(nv.scene.crosshairPos)
    const by = old - next
    this.moved = true
    nv.scene.pan2Dxyzmm = [x + by * mm[0], y + by * mm[1], z + by * mm[2], next]
    nv.drawScene()
  }

  // Field of view at zoom 1, in mm of the drawing: {size, middle, ppm} with ppm pixels per mm in the axial tile.
  get field() {
    const nv = this.nv
    const [low, high] = [nv.frac2mm([0, 0, 0]), nv.frac2mm([1, 1, 1])]
    const size = [0, 1, 2].map((a) => Math.abs(high[a] - low[a]))
    const [, , w, h] = this.layout === 'planes' ? this.tiles()[0].position : [0, 0, 1, 1]
    const box = [w * this.canvas.width, h * this.canvas.height]
    return { size, middle: [0, 1, 2].map((a) => (low[a] + high[a]) / 2), box, ppm: Math.min(box[0] / size[0], box[1] / size[1]) }
  }

  measure() { return contentOf(this.image) }

  // Shows the head, not the air around it.
  fit() {
    const nv = this.nv
    this.content ??= this.measure()
    const corners = this.content.map((mm) => Array.from(nv.frac2mm(nv.mm2frac(mm, 0, true))))
    const span = [0, 1, 2].map((a) => corners.map((c) => c[a]))
    const [low, high] = [span.map((v) => Math.min(...v)), span.map((v) => Math.max(...v))]
    const { size, middle, box, ppm } = this.field
    const extent = [0, 1, 2].map((a) => Math.max(high[a] - low[a], 20))
    const room = this.layout === 'axial' ? [box[0] / ppm / extent[0], box[1] / ppm / extent[1]] : [0, 1, 2].map((a) => size[a] / extent[a])
    const zoom = Math.min(2.5, Math.max(1, 0.94 * Math.min(...room)))
    nv.scene.pan2Dxyzmm = [...[0, 1, 2].map((a) => middle[a] - (zoom * (low[a] + high[a])) / 2), zoom]
  }

  // What the slices show: {centre: mm of the drawing, scale: pixels per mm}.
  get sight() {
    const { middle, ppm } = this.field
    const [x, y, z, zoom] = this.nv.scene.pan2Dxyzmm
    return { centre: [x, y, z].map((p, a) => (middle[a] - p) / zoom), scale: ppm * zoom }
  }

  set sight({ centre, scale }) {
    const { middle, ppm } = this.field
    const zoom = scale / ppm
    this.nv.scene.pan2Dxyzmm = [...[0, 1, 2].map((a) => middle[a] - zoom * centre[a]), zoom]
  }

  turn(dx, dy) {
    const { scene } = this.nv
    scene.renderAzimuth = (scene.renderAzimuth + dx) % 360
    scene.renderElevation = Math.min(90, Math.max(-90, scene.renderElevation + dy))
    this.nv.drawScene()
  }

  zoom3d(by) {
    const { scene } = this.nv
    scene.volScaleMultiplier = Math.min(4, Math.max(0.5, scene.volScaleMultiplier * 1.08 ** by))
    this.nv.drawScene()
  }

  // Turns the 3D view to the side of the patient where x (mm, RAS+) lies.
  faceSide(x) {
    this.nv.scene.renderAzimuth = x > 0 ? 250 : 110
    this.nv.drawScene()
  }

  reset() {
    const { scene } = this.nv
    this.moved = false
    scene.renderAzimuth = 110
    scene.renderElevation = 15
    scene.volScaleMultiplier = 1.45
    this.nv.drawScene()
  }

  // The same place, zoom and turn as another panel; the place in mm, so that grids may differ.
  follow(other) {
    const { scene } = this.nv
    this.moved = other.moved
    if (this.moved) this.sight = other.sight
    scene.renderAzimuth = other.nv.scene.renderAzimuth
    scene.renderElevation = other.nv.scene.renderElevation
    scene.volScaleMultiplier = other.nv.scene.volScaleMultiplier
    this.moveTo(other.mm)
  }

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
  }

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
  }

  stop() {
    this.gone = true
    if (this.frame) cancelAnimationFrame(this.frame)
    if (!this.nv) return
    this.nv.cleanup()
    this.nv.volumes = []
    this.nv._gl?.getExtension('WEBGL_lose_context')?.loseContext()
  }
}
