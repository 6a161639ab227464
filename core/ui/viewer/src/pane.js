// One panel: a canvas, its NiiVue instance, and the marks on the picture. Knows no toolbar, no server and no keys.

import { Niivue, SHOW_RENDER, SLICE_TYPE } from '@niivue/niivue'
import sliceShader from './slice.glsl'
import { contentOf } from './image.js'
import { planes } from './layout.js'
import { marks } from './marks.js'

export const LARGE = 8e6 // voxels; above it no 3D tile beside the slices
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

  stop() {
    this.gone = true
    if (this.frame) cancelAnimationFrame(this.frame)
    if (!this.nv) return
    this.nv.cleanup()
    this.nv.volumes = []
    this.nv._gl?.getExtension('WEBGL_lose_context')?.loseContext()
  }
}

Object.assign(Pane.prototype, marks)
