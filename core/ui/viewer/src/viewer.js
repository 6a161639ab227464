// The viewer: one instance per mounted component. Decides what is loaded, shown and told; drawing is pane.js's work.

import css from './style.css'
import { LoadError, loadFile } from './load.js'
import { addBits, components, PREDICTION, TRUTH } from './mask.js'
import { decode, gridOf, hasWebGL2, maskImage, Pane, scaling } from './pane.js'
import { build, chip, LAYOUTS, panel as panelElements } from './ui.js'
import { listen, listenKeys } from './input.js'
import { adcScale, megabytes, show, unitAfter, whole } from './numbers.js'

const NARROW = 620 // CSS pixels; below it one panel at a time and one plane
// What a person chose, kept while the page lives: another case, another page and back.
const choices = { layout: null, radiological: true, opacity: 0.4, outline: false, overlay: true, presets: {} }

class Viewer {
  constructor(parent, component) {
    this.component = component
    this.sequence = 0
    this.panes = []
    this.images = new Map() // url -> NVImage of what is on screen
    this.lesions = []
    this.lesion = -1
    this.shown = TRUTH | PREDICTION
    this.axis = 2
    this.active = 0
    this.ui = build({
      layout: (id) => this.setLayout(id), opacity: (v) => { choices.opacity = v; this.paintOverlay() },
      outline: () => { choices.outline = !choices.outline; this.paintOverlay() }, lesion: (by) => this.jump(by),
      radiological: () => this.flip(), reset: () => this.reset(), full: () => this.full(), help: () => this.help(),
      slice: (n) => this.toSlice(n), step: (by) => this.step(by), retry: () => this.load(this.view), cancel: () => this.cancel(),
    })
    const { root } = this.ui
    const style = document.createElement('style')
    style.textContent = css
    parent.replaceChildren(style, root)
    root.__strokescope = { panels: [], viewer: this }
    this.stopKeys = listenKeys(root, { key: (key, shift) => this.key(key, shift) })
    this.watcher = new ResizeObserver(() => this.resize())
    this.watcher.observe(root)
    this.usable = hasWebGL2()
  }

  // ---- what Python says

  update(component) {
    this.component = component
    const { view, height } = component.data
    this.ui.root.style.setProperty('--height', `${height}px`)
    const before = this.view
    this.view = view
    if (!this.usable) return this.refuse()
    const urls = (v) => JSON.stringify([v.title, v.panels.map((p) => [p.url, p.colormap, p.modality]), v.overlays.map((o) => [o.url, o.kind, o.color])])
    if (!before || urls(before) !== urls(view)) return this.load(view, before)
    this.describe()
    if (this.state !== 'ready') return
    if (JSON.stringify(before.focus) !== JSON.stringify(view.focus)) this.goTo(view.focus)
    view.panels.forEach((p, i) => {
      if (JSON.stringify([p.window, p.scale]) === JSON.stringify([before.panels[i].window, before.panels[i].scale])) return
      this.measure(this.panes[i], p, this.panes[i].image)
      this.startWindow(i)
    })
    this.tell()
  }

  refuse() {
    this.setState('failed')
    this.ui.what.textContent = 'This browser has no WebGL2, so the interactive viewer cannot draw; use the static view.'
    this.ui.again.hidden = true
    if (!this.said) this.component.setTriggerValue('command', { kind: 'no-webgl2' })
    this.said = true
  }

  // ---- loading

  async load(view, before) {
    const mine = ++this.sequence
    this.abort?.abort()
    this.abort = new AbortController()
    const samePanels = before && this.state === 'ready' && JSON.stringify(before.panels.map((p) => p.url)) === JSON.stringify(view.panels.map((p) => p.url))
    const keep = this.state === 'ready' && before?.title === view.title ? this.panes[0]?.mm : null
    this.lesions = []
    this.lesion = -1
    if (samePanels) this.panes.forEach((p) => p.setMasks([]))
    else this.panes.forEach((p) => p.clear())
    this.setState('loading')
    try {
      await this.arrange(view)
      if (mine !== this.sequence) return
      const images = await this.fetchAll(view, mine)
      if (mine !== this.sequence) return
      await this.present(view, images, keep, mine)
    } catch (error) {
      if (mine === this.sequence) this.fail(error)
    }
  }

  // As many panes as the view has panels.
  async arrange(view) {
    while (this.panes.length > view.panels.length) this.drop(this.panes.pop())
    while (this.panes.length < view.panels.length) {
      const index = this.panes.length
      const parts = panelElements({
        preset: (name) => this.setPreset(index, name), manual: (low, high) => this.setWindow(index, low, high, 'Manual'), choose: () => this.choose(index),
      })
      parts.element.style.setProperty('--index', String(index))
      this.ui.stage.append(parts.element)
      const pane = new Pane(parts.view, parts.canvas, parts.marks)
      pane.parts = parts
      this.panes.push(pane)
      listen(pane, parts.frame, {
        touch: (p, tile, hover) => this.touch(p, tile, hover), changed: (p) => this.changed(p),
        window: (p, dx, dy, done) => this.dragWindow(p, dx, dy, done), step: (by, where) => this.step(by, where),
      })
      await pane.start(() => this.tell(), () => this.fail(new LoadError("was dropped: the graphics memory gave out; try again")))
    }
    if (this.active >= this.panes.length) this.active = 0
    this.ui.root.__strokescope.panels = this.panes.map((p) => p.nv)
    this.describe()
    this.resize()
  }

  drop(pane) {
    pane.stop()
    pane.parts.element.remove()
  }

  async fetchAll(view, mine) {
    const names = new Map([...view.panels, ...view.overlays].map((f) => [f.url, f.label]))
    const wanted = [...names.keys()].filter((url) => !this.images.has(url) || view.overlays.some((o) => o.url === url))
    const totals = new Map(), done = new Map()
    const sum = (m) => [...m.values()].reduce((a, b) => a + b, 0)
    const report = () => { if (mine === this.sequence) this.progress([...names.values()], sum(done), totals.size === wanted.length ? sum(totals) : null) }
    report()
    const loaded = new Map([...this.images].filter(([url]) => view.panels.some((p) => p.url === url)))
    this.images = loaded
    await Promise.all(wanted.map(async (url) => {
      try {
        const file = await loadFile(url, {
          signal: this.abort.signal, onTotal: (n) => { totals.set(url, n); report() }, onBytes: (n) => { done.set(url, (done.get(url) ?? 0) + n); report() },
        })
        loaded.set(url, await decode(file))
      } catch (error) {
        if (error instanceof LoadError) error.subject = names.get(url)
        throw error
      }
    })).catch((error) => { if (mine === this.sequence) this.abort.abort(); throw error })
    return loaded
  }

  // Masks on one grid become one image of bits; masks on other grids follow as layers of their own.
  layers(view, images) {
    const groups = new Map()
    for (const o of view.overlays) {
      const image = images.get(o.url)
      const key = gridOf(image)
      if (!groups.has(key)) groups.set(key, { image, scale: [], bits: new Uint8Array(image.img.length) })
      addBits(groups.get(key).bits, image.img, scaling(image), o.kind, o.color)
    }
    for (const o of view.overlays) images.delete(o.url)
    return [...groups.values()].map(({ image, bits }) => ({ bits, dims: Array.from(image.hdr.dims.slice(1, 4)), affine: image.hdr.affine, mask: maskImage(image, bits) }))
  }

  async present(view, images, keep, mine) {
    const layers = this.layers(view, images)
    view.panels.forEach((p, i) => {
      const pane = this.panes[i]
      const image = images.get(p.url)
      pane.layout = this.layoutNow()
      if (!keep) pane.moved = false
      this.measure(pane, p, image)
      pane.setRadiological(choices.radiological)
      pane.setImage(image, layers.map((l) => l.mask), p.colormap, this.windowOf(i, image))
    })
    this.images = new Map([...images].filter(([url]) => view.panels.some((p) => p.url === url)))
    const unknown = view.panels.some((p) => !images.get(p.url).oriented)
    this.warning = unknown ? 'The file does not say which side is left.' : ''
    this.setState('ready')
    this.describeConvention()
    view.panels.forEach((_, i) => this.showWindow(i))
    this.paintOverlay()
    for (const pane of this.panes.slice(1)) pane.content = this.panes[0].content ??= this.panes[0].measure()
    const start = view.focus ?? keep
    if (start) this.goTo(start)
    else this.goTo(this.middle())
    await this.findLesions(layers, mine, !start)
  }

  // The factor to displayed values, and the unit that they then have.
  measure(pane, p, image) {
    const found = p.scale === 'adc' ? adcScale(image.img, scaling(image)) : p.scale
    Object.assign(pane, { scale: found ?? 1, unit: found === null ? '' : p.unit })
  }

  middle() {
    return Array.from(this.panes[0].nv.frac2mm([0.5, 0.5, 0.5], 0, true)).slice(0, 3)
  }

  async findLesions(layers, mine, go) {
    const found = []
    for (const { bits, dims, affine } of layers) {
      const parts = await components(bits, dims, () => mine !== this.sequence)
      if (!parts) return
      const at = ([i, j, k]) => [0, 1, 2].map((r) => affine[r][0] * i + affine[r][1] * j + affine[r][2] * k + affine[r][3])
      const [a, b, c] = [0, 1, 2].map((col) => [0, 1, 2].map((r) => affine[r][col]))
      const volume = Math.abs(a[0] * (b[1] * c[2] - b[2] * c[1]) - b[0] * (a[1] * c[2] - a[2] * c[1]) + c[0] * (a[1] * b[2] - a[2] * b[1]))
      found.push(...parts.map((p) => ({ ml: (p.count * volume) / 1000, mm: at(p.voxel) })))
    }
    this.lesions = found.sort((x, y) => y.ml - x.ml)
    this.lesion = -1
    if (go && this.lesions.length) {
      this.jump(1)
      for (const pane of this.panes) pane.faceSide(this.lesions[0].mm[0])
    }
    this.describeLesions(true)
    this.tell()
  }

  progress(names, done, total) {
    const { what, bytes, progress } = this.ui
    what.textContent = `Loading ${names.join(', ')}`
    bytes.textContent = total ? `${megabytes(done)} of ${megabytes(total)} MB` : `${megabytes(done)} MB`
    if (total) progress.value = done / total
    else progress.removeAttribute('value')
  }

  cancel() {
    this.sequence++
    this.abort?.abort()
    this.wipe()
    this.ui.what.textContent = 'Loading was cancelled.'
    this.ui.again.textContent = 'Load'
  }

  fail(error) {
    this.sequence++
    this.wipe()
    const known = error instanceof LoadError
    this.ui.what.textContent = known ? `${error.subject ?? 'The picture'} ${error.message}.` : 'The picture could not be drawn by this browser; use the static view.'
    this.ui.again.textContent = 'Retry'
    if (!known) console.error(error)
  }

  wipe() {
    this.images = new Map()
    this.panes.forEach((p) => this.drop(p))
    this.panes = []
    this.lesions = []
    this.setState('failed')
    this.ui.bytes.textContent = ''
    this.ui.again.hidden = false
  }

  setState(state) {
    this.state = state
    const { root, progress, again, cancel, cover, bytes } = this.ui
    root.dataset.state = state
    cover.hidden = state === 'ready'
    progress.hidden = cancel.hidden = bytes.hidden = state !== 'loading'
    again.hidden = state !== 'failed'
    if (state !== 'ready') this.quiet()
    root.setAttribute('aria-busy', String(state === 'loading'))
  }

  // Nothing of an earlier image stays readable.
  quiet() {
    const { root, values, where, count } = this.ui
    for (const out of [values, where, count]) out.textContent = ''
    for (const key of ['dims', 'vox', 'mm', 'values', 'lesions', 'lesion', 'edges', 'zoom', 'window']) delete root.dataset[key]
    this.describeLesions(false)
  }

  // ---- words around the picture

  describe() {
    const { root, stage, chips, overlayGroup } = this.ui
    const { view } = this
    root.setAttribute('aria-label', `Image viewer, ${view.title || view.panels.map((p) => p.label).join(' and ')}`)
    root.dataset.label = view.panels.map((p) => p.label).join('|')
    root.dataset.title = view.title
    stage.dataset.panels = String(this.panes.length)
    this.panes.forEach(({ parts }, i) => {
      const p = view.panels[i]
      parts.label.textContent = p.label
      parts.session.textContent = p.session
      parts.ribbon.hidden = !view.synthetic
      parts.element.dataset.active = String(i === this.active)
      parts.label.setAttribute('aria-pressed', String(i === this.active))
      const names = ['Auto', ...p.presets.map(([name]) => name)]
      parts.preset.replaceChildren(...[...names, 'Manual'].map((name) => new Option(name, name)))
      parts.preset.value = this.panes[i].preset ?? 'Auto'
    })
    overlayGroup.hidden = view.overlays.length === 0
    const kinds = new Map()
    for (const o of view.overlays) {
      if (o.kind === 'labels3') { kinds.set(TRUTH, ['truth', 'missed']); kinds.set(PREDICTION, ['prediction', 'false positive']) }
      else kinds.set(o.color === 'prediction' ? PREDICTION : TRUTH, [o.color, o.label])
    }
    const made = [...kinds].map(([bit, [colour, label]]) => {
      const made = chip(colour, label, () => { this.shown ^= bit; choices.overlay = this.shown !== 0; this.paintOverlay() })
      made.dataset.bit = bit
      return made
    })
    if (kinds.size === 2) made.push(Object.assign(document.createElement('span'), { className: 'legend', innerHTML: '<i></i>agreement' }))
    chips.replaceChildren(...made)
    this.paintOverlay()
    this.describeConvention()
    this.describeLayout()
  }

  describeConvention() {
    const name = choices.radiological ? 'Radiological' : 'Neurological'
    this.ui.convention.textContent = name
    this.ui.convention.setAttribute('aria-label', `${name} convention; press to change`)
    this.ui.root.dataset.radiological = String(choices.radiological)
    for (const { parts } of this.panes) {
      const more = document.createElement('span')
      more.className = 'side-more'
      more.textContent = choices.radiological ? ' · patient’s left on the right' : ' · patient’s left on the left'
      const flat = this.layoutNow() !== '3d'
      parts.side.replaceChildren(...(this.warning ? [this.warning] : flat ? [name, more] : ['3D · drag to turn']))
      parts.side.classList.toggle('warn', Boolean(this.warning) || !choices.radiological)
    }
  }

  describeLayout() {
    const now = this.layoutNow()
    for (const b of this.ui.layouts) b.setAttribute('aria-pressed', String(b.dataset.layout === now))
    this.ui.root.dataset.layout = now
  }

  describeLesions(known) {
    const { lesions, lesion, root } = this.ui
    lesions.hidden = !this.view || this.view.overlays.length === 0
    if (!known) lesion.textContent = 'lesions …'
    else {
      const n = this.lesions.length
      const at = this.lesions[this.lesion]
      lesion.textContent = n === 0 ? 'no lesion' : at ? `lesion ${this.lesion + 1}/${n} · ${at.ml < 1 ? at.ml.toFixed(2) : at.ml.toFixed(1)} ml` : `${n} lesion${n > 1 ? 's' : ''}`
      root.dataset.lesions = String(n)
      root.dataset.lesion = String(this.lesion + 1)
    }
    for (const b of lesions.querySelectorAll('button')) b.disabled = !this.lesions.length
  }

  // Value, place and slice under the crosshair.
  tell() {
    if (this.state !== 'ready' || !this.panes[0]?.ready) return
    const { root, values, where, count, slider } = this.ui
    const main = this.panes[0]
    const mm = main.mm
    const read = this.panes.map((pane, i) => [this.view.panels[i].label, pane.value(mm) * pane.scale, pane.unit])
    values.replaceChildren(...read.map(([label, v, its]) => {
      const span = document.createElement('span')
      span.innerHTML = '<b></b> <em></em><i></i>'
      const [name, number, unit] = span.children
      name.textContent = label
      number.textContent = show(v)
      unit.textContent = Number.isFinite(v) ? unitAfter(its) : ''
      return span
    }))
    where.textContent = `x ${whole(mm[0])}  y ${whole(mm[1])}  z ${whole(mm[2])} mm (RAS+)`
    const { vox, dims } = main.slice
    count.textContent = `${['Sagittal', 'Coronal', 'Axial'][this.axis]} ${vox[this.axis] + 1} / ${dims[this.axis]}`
    slider.max = String(dims[this.axis])
    slider.value = String(vox[this.axis] + 1)
    Object.assign(root.dataset, {
      dims: this.panes.map((p) => p.slice.dims.join('x')).join('|'), vox: vox.join(','), mm: mm.map((v) => v.toFixed(2)).join(','),
      values: read.map(([, v]) => (Number.isFinite(v) ? String(v) : '')).join('|'), zoom: main.nv.scene.pan2Dxyzmm[3].toFixed(2),
      edges: JSON.stringify(this.panes.map((p) => p.edges ?? [])), window: this.panes.map((p) => `${p.image.cal_min},${p.image.cal_max}`).join('|'),
    })
  }

  // ---- window

  windowOf(i, image) {
    const p = this.view.panels[i]
    const pane = this.panes[i]
    const chosen = p.presets.find(([name]) => name === choices.presets[p.modality])
    pane.preset = chosen ? chosen[0] : 'Auto'
    const given = chosen ? chosen.slice(1) : choices.presets[p.modality] === 'Auto' ? null : p.window
    if (!given) return image.auto
    if (!chosen) pane.preset = p.presets.find(([, low, high]) => low === given[0] && high === given[1])?.[0] ?? 'Manual'
    return given.map((v) => v / pane.scale)
  }

  startWindow(i) {
    const [low, high] = this.windowOf(i, this.panes[i].image)
    this.panes[i].setWindow(low, high)
    this.showWindow(i)
  }

  showWindow(i) {
    const { parts, image, preset, scale } = this.panes[i]
    const tidy = (v) => String(Number((v * scale).toPrecision(4)))
    parts.low.value = tidy(image.cal_min)
    parts.high.value = tidy(image.cal_max)
    parts.preset.value = preset
  }

  setPreset(i, name) {
    if (name === 'Manual' || !this.panes[i].ready) return
    choices.presets[this.view.panels[i].modality] = name
    this.startWindow(i)
  }

  // low, high in displayed units; anything that is not a window leaves the picture as it is.
  setWindow(i, low, high, name) {
    const pane = this.panes[i]
    if (!pane.ready) return
    if (Number.isFinite(low) && Number.isFinite(high) && high > low) {
      pane.preset = name
      pane.setWindow(low / pane.scale, high / pane.scale)
    }
    this.showWindow(i)
  }

  dragWindow(pane, dx, dy, done) {
    const i = this.panes.indexOf(pane)
    const { image } = pane
    const width = Math.max(image.cal_max - image.cal_min, 1e-9)
    const next = Math.max(width * Math.exp(dx / 200), width * 0.02)
    const level = (image.cal_max + image.cal_min) / 2 - (dy / 300) * width
    image.cal_min = level - next / 2
    image.cal_max = level + next / 2
    pane.preset = 'Manual'
    this.showWindow(i)
    if (done || (!pane.slow && pane.voxels < 8e6)) {
      pane.windowFrame ??= requestAnimationFrame(() => { pane.windowFrame = null; if (pane.ready) pane.setWindow(image.cal_min, image.cal_max) })
    }
  }

  nextPreset() {
    const i = this.active
    const names = ['Auto', ...this.view.panels[i].presets.map(([name]) => name)]
    this.setPreset(i, names[(names.indexOf(this.panes[i].preset) + 1) % names.length])
  }

  // ---- overlay and lesions

  paintOverlay() {
    const bits = choices.overlay ? this.shown : 0
    const contour = choices.outline ? 1.6 : 1
    for (const pane of this.panes) if (pane.nv?.gl) pane.setOverlay(bits, choices.outline ? 0 : choices.opacity, choices.opacity > 0.01 || choices.outline ? contour : 0)
    const { chips, outline, opacity, root } = this.ui
    for (const c of chips.querySelectorAll('button')) c.setAttribute('aria-pressed', String(Boolean(bits & Number(c.dataset.bit))))
    outline.setAttribute('aria-pressed', String(choices.outline))
    opacity.value = String(Math.round(choices.opacity * 100))
    opacity.disabled = choices.outline
    root.dataset.overlay = String(bits)
  }

  toggleOverlay() {
    choices.overlay = !choices.overlay
    if (choices.overlay) this.shown = TRUTH | PREDICTION
    this.paintOverlay()
  }

  jump(by) {
    const n = this.lesions.length
    if (!n) return
    this.lesion = this.lesion < 0 ? (by > 0 ? 0 : n - 1) : (this.lesion + by + n) % n
    this.goTo(this.lesions[this.lesion].mm)
    this.describeLesions(true)
  }

  // ---- moving

  goTo(mm) {
    if (!mm) return
    for (const pane of this.panes) if (pane.ready) pane.moveTo(mm)
  }

  changed(pane) {
    for (const other of this.panes) if (other !== pane && other.ready) other.follow(pane)
  }

  touch(pane, tile, hover) {
    const i = this.panes.indexOf(pane)
    if (!hover) this.ui.root.focus({ preventScroll: true })
    if (this.active !== i && !this.narrow) this.choose(i)
    const axis = [2, 1, 0][tile?.plane] ?? this.axis
    if (axis !== this.axis) { this.axis = axis; this.tell() }
  }

  choose(i) {
    this.active = i
    this.panes.forEach(({ parts }, k) => {
      parts.element.dataset.active = String(k === i)
      parts.label.setAttribute('aria-pressed', String(k === i))
    })
  }

  step(by, where = {}) {
    const pane = where.pane ?? this.panes[this.active]
    if (!pane?.ready) return
    const axis = where.axis ?? [2, 1, 0][where.tile?.plane] ?? this.axis
    if (where.tile?.plane > 2) return pane.zoom3d(by), this.changed(pane)
    pane.step(axis, by)
    this.changed(pane)
  }

  toSlice(n) {
    const pane = this.panes[0]
    if (pane?.ready) this.step(n - 1 - pane.slice.vox[this.axis], { pane, axis: this.axis })
  }

  // ---- view

  layoutNow() {
    return choices.layout ?? (this.narrow || this.view.panels.length > 1 ? 'axial' : 'planes')
  }

  setLayout(layout) {
    choices.layout = layout
    if (layout === 'axial') this.axis = 2
    for (const pane of this.panes) if (pane.ready) pane.setLayout(layout)
    this.describeLayout()
    this.describeConvention()
    this.tell()
  }

  flip() {
    choices.radiological = !choices.radiological
    for (const pane of this.panes) if (pane.ready) pane.setRadiological(choices.radiological)
    this.describeConvention()
  }

  reset() {
    for (const pane of this.panes) if (pane.ready) pane.reset()
    if (this.panes[0]?.ready) this.goTo(this.lesions[Math.max(0, this.lesion)]?.mm ?? this.middle())
    this.panes.forEach((pane, i) => {
      if (!pane.ready) return
      delete choices.presets[this.view.panels[i].modality]
      this.startWindow(i)
    })
  }

  full() {
    const { root } = this.ui
    if (document.fullscreenElement) document.exitFullscreen()
    else root.requestFullscreen?.().catch(() => {})
  }

  help() {
    const { help, close, root } = this.ui
    help.hidden = !help.hidden
    if (help.hidden) root.focus({ preventScroll: true })
    else close.focus({ preventScroll: true })
  }

  resize() {
    const narrow = this.ui.root.clientWidth < NARROW
    this.ui.root.dataset.narrow = String(narrow)
    if (narrow === this.narrow) return
    this.narrow = narrow
    if (this.state !== 'ready') return
    for (const pane of this.panes) pane.setLayout(this.layoutNow())
    this.describeLayout()
  }

  key(key, shift) {
    const say = (command) => { this.component.setTriggerValue('command', command); return true }
    if (key === '?') { this.help(); return true }
    if (key === 'Escape' && !this.ui.help.hidden) { this.help(); return true }
    if (/^[1-9]$/.test(key)) return say({ kind: 'modality', index: Number(key) - 1 })
    const lower = key.toLowerCase()
    if (lower === 'j') return say({ kind: 'next-case' })
    if (lower === 'k') return say({ kind: 'previous-case' })
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
  }

  stop() {
    this.sequence++
    this.abort?.abort()
    this.stopKeys()
    this.watcher.disconnect()
    this.panes.forEach((p) => this.drop(p))
    this.panes = []
    this.images.clear()
  }
}

const live = new WeakMap()

// Called by the loader for each new state of the component (see viewer_component.py).
export function update(component) {
  const parent = component.parentElement
  if (!live.has(parent)) live.set(parent, new Viewer(parent, component))
  live.get(parent).update(component)
}

export function unmount(parent) {
  live.get(parent)?.stop()
  live.delete(parent)
}
