// The part of the viewer that moves: overlay, lesions, crosshair, slices, layout, keys.

import { choices } from './choices.js'
import { HEAT, MASKS } from './mask.js'
import { LAYOUTS } from './ui.js'

const OTHER = 8 // tells the shader that the truth's bit stands for another result
const NARROW = 620 // CSS pixels; below it one panel at a time and one plane

export const moves = {
  paintOverlay() {
    const bits = choices.overlay ? this.shown : 0
    const heat = choices.opacity > 0.01 || choices.outline ? this.there & HEAT : 0
    const drawn = bits & (MASKS | heat)
    const told = drawn && this.other ? drawn | OTHER : drawn
    const contour = choices.outline ? 1.6 : 1
    for (const pane of this.panes) if (pane.nv?.gl) pane.setOverlay(told, choices.outline ? 0 : choices.opacity, choices.opacity > 0.01 || choices.outline ? contour : 0)
    const { chips, outline, opacity, root } = this.ui
    for (const c of chips.querySelectorAll('button')) c.setAttribute('aria-pressed', String(Boolean(bits & Number(c.dataset.bit))))
    outline.setAttribute('aria-pressed', String(choices.outline))
    opacity.value = String(Math.round(choices.opacity * 100))
    opacity.disabled = choices.outline
    root.dataset.overlay = String(bits & (MASKS | this.there))
  },

  // A view of two masks asks for outlines alone; a person may fill them, and finds the next view as the one before.
  askOutlines(asked) {
    if (asked === choices.asked) return
    if (asked) choices.usual = choices.outline
    choices.outline = asked || choices.usual
    choices.asked = asked
    if (this.state === 'ready') this.paintOverlay()
  },

  toggleOverlay() {
    choices.overlay = !choices.overlay
    if (choices.overlay) this.shown = MASKS | HEAT
    this.paintOverlay()
  },

  jump(by) {
    const n = this.lesions.length
    if (!n) return
    this.lesion = this.lesion < 0 ? (by > 0 ? 0 : n - 1) : (this.lesion + by + n) % n
    this.goTo(this.lesions[this.lesion].mm)
    this.describeLesions(true)
  },

  goTo(mm) {
    if (!mm) return
    for (const pane of this.panes) if (pane.ready) pane.moveTo(mm)
  },

  changed(pane) {
    for (const other of this.panes) if (other !== pane && other.ready) other.follow(pane)
  },

  touch(pane, tile, hover) {
    const i = this.panes.indexOf(pane)
    if (!hover) this.ui.root.focus({ preventScroll: true })
    if (this.active !== i && !this.narrow) this.choose(i)
    const axis = [2, 1, 0][tile?.plane] ?? this.axis
    if (axis !== this.axis) { this.axis = axis; this.tell() }
  },

  choose(i) {
    this.active = i
    this.panes.forEach(({ parts }, k) => {
      parts.element.dataset.active = String(k === i)
      parts.label.setAttribute('aria-pressed', String(k === i))
    })
  },

  step(by, where = {}) {
    const pane = where.pane ?? this.panes[this.active]
    if (!pane?.ready) return
    const axis = where.axis ?? [2, 1, 0][where.tile?.plane] ?? this.axis
    if (where.tile?.plane > 2) return pane.zoom3d(by), this.changed(pane)
    pane.step(axis, by)
    this.changed(pane)
  },

  toSlice(n) {
    const pane = this.panes[0]
    if (pane?.ready) this.step(n - 1 - pane.slice.vox[this.axis], { pane, axis: this.axis })
  },

  layoutNow() {
    return choices.layout ?? (this.narrow || this.view.panels.length > 1 ? 'axial' : 'planes')
  },

  setLayout(layout) {
    choices.layout = layout
    if (layout === 'axial') this.axis = 2
    for (const pane of this.panes) if (pane.ready) pane.setLayout(layout)
    this.describeLayout()
    this.describeConvention()
    this.tell()
  },

  flip() {
    choices.radiological = !choices.radiological
    for (const pane of this.panes) if (pane.ready) pane.setRadiological(choices.radiological)
    this.describeConvention()
  },

  reset() {
    for (const pane of this.panes) if (pane.ready) pane.reset()
    if (this.panes[0]?.ready) this.goTo(this.lesions[Math.max(0, this.lesion)]?.mm ?? this.middle())
    this.panes.forEach((pane, i) => {
      if (!pane.ready) return
      delete choices.presets[this.view.panels[i].modality]
      this.startWindow(i)
    })
  },

  full() {
    const { root } = this.ui
    if (document.fullscreenElement) document.exitFullscreen()
    else root.requestFullscreen?.().catch(() => {})
  },

  help() {
    const { help, close, root } = this.ui
    help.hidden = !help.hidden
    if (help.hidden) root.focus({ preventScroll: true })
    else close.focus({ preventScroll: true })
  },

  resize() {
    const narrow = this.ui.root.clientWidth < NARROW
    this.ui.root.dataset.narrow = String(narrow)
    if (narrow === this.narrow) return
    this.narrow = narrow
    if (this.state !== 'ready') return
    for (const pane of this.panes) pane.setLayout(this.layoutNow())
    this.describeLayout()
  },

  key(key, shift) {
    const say = (command) => { this.component.setTriggerValue('command', command); return true }
    if (key === '?') { this.help(); return true }
    if (key === 'Escape' && !this.ui.help.hidden) { this.help(); return true }
    if (/^[1-9]$/.test(key)) return say({ kind: 'modality', index: Number(key) - 1 })
    const lower = key.toLowerCase()
    if (lower === 'f') { this.full(); return true }
    if (this.state !== 'ready') return false
    const order = LAYOUTS.map(([id]) => id)
    const moves = {
      ArrowUp: () => this.step(1), PageUp: () => this.step(1), ArrowDown: () => this.step(-1), PageDown: () => this.step(-1),
      ArrowLeft: () => this.step(choices.radiological ? 1 : -1, { axis: 0 }), ArrowRight: () => this.step(choices.radiological ? -1 : 1, { axis: 0 }),
      o: () => this.toggleOverlay(), u: () => { choices.outline = !choices.outline; this.paintOverlay() }, w: () => this.nextPreset(), r: () => this.flip(),
      l: () => this.jump(shift ? -1 : 1), v: () => this.setLayout(order[(order.indexOf(this.layoutNow()) + 1) % order.length]), 0: () => this.reset(),
    }
    const move = moves[key] ?? moves[lower]
    move?.()
    return Boolean(move)
  },
}
