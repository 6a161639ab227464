// The viewer: one instance per mounted component. Decides what is loaded, shown and told; drawing is pane.js's work.

import css from './style.css'
import { LoadError, loadFile } from './load.js'
import { components, HEAT, MASKS } from './mask.js'
import { decode, scaling } from './image.js'
import { layersOf, overlaysOf } from './layers.js'
import { hasWebGL2, Pane } from './pane.js'
import { build, panel as panelElements } from './ui.js'
import { listen, listenKeys } from './input.js'
import { adcScale, megabytes } from './numbers.js'
import { choices } from './choices.js'
import { moves } from './moves.js'
import { windows } from './windows.js'
import { words } from './words.js'

class Viewer {
  constructor(parent, component) {
    this.component = component
    this.sequence = 0
    this.panes = []
    this.images = new Map() // url -> NVImage of what is on screen
    this.lesions = []
    this.lesion = -1
    this.shown = MASKS | HEAT
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
    this.askOutlines(Boolean(view.outlines))
    const drawn = (o) => [o.url, o.kind, o.color]
    const urls = (v) => JSON.stringify([v.title, v.panels.map((p) => [p.url, p.colormap, p.modality, (p.overlays ?? []).map(drawn)]), v.overlays.map(drawn)])
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
    const same = (names) => before && names.every((name) => JSON.stringify(before[name]) === JSON.stringify(view[name]))
    const shown = (v) => JSON.stringify(v.panels.map(({ url, colormap, modality, window, scale }) => [url, colormap, modality, window, scale]))
    const quiet = this.state === 'ready' && same(['title']) && shown(before) === shown(view)
    const keep = this.state === 'ready' && before?.title === view.title ? this.panes[0]?.mm : null
    const wanted = same(['focus']) ? null : view.focus // a place that was asked for before is no reason to go there again
    if (!quiet) {
      this.lesions = []
      this.lesion = -1
      this.panes.forEach((p) => p.clear())
      this.setState('loading')
    }
    try {
      if (!quiet) await this.arrange(view)
      if (mine !== this.sequence) return
      const found = await this.fetchAll(view, mine)
      if (mine !== this.sequence) return
      if (quiet) await this.exchange(view, found, wanted, mine)
      else await this.present(view, found, wanted ?? keep ?? view.focus, keep, mine)
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
    const overlays = overlaysOf(view)
    const names = new Map([...view.panels, ...overlays].map((f) => [f.url, f.label]))
    const wanted = [...names.keys()].filter((url) => !this.images.has(url) || overlays.some((o) => o.url === url))
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

  // Other masks over the same images: the picture stays, and so does everything that a person set.
  async exchange(view, images, wanted, mine) {
    const { panels: masks, all } = layersOf(view, images)
    this.panes.forEach((pane, i) => pane.setMasks(masks[i]))
    this.images = new Map([...images].filter(([url]) => view.panels.some((p) => p.url === url)))
    this.describe()
    this.goTo(wanted)
    await this.findLesions(all, mine, false)
  }

  async present(view, images, start, keep, mine) {
    const { panels: masks, all } = layersOf(view, images)
    view.panels.forEach((p, i) => {
      const pane = this.panes[i]
      const image = images.get(p.url)
      pane.layout = this.layoutNow()
      if (!keep) pane.moved = false
      this.measure(pane, p, image)
      pane.setRadiological(choices.radiological)
      pane.setImage(image, masks[i], p.colormap, this.windowOf(i, image))
    })
    this.images = new Map([...images].filter(([url]) => view.panels.some((p) => p.url === url)))
    const unknown = view.panels.some((p) => !images.get(p.url).oriented)
    this.warning = unknown ? 'The file does not say which side is left.' : ''
    this.setState('ready')
    this.describeConvention()
    view.panels.forEach((_, i) => this.showWindow(i))
    this.paintOverlay()
    if (this.panes.length > 1) this.shareContent()
    if (start) this.goTo(start)
    else this.goTo(this.middle())
    await this.findLesions(all, mine, !start)
  }

  // Both panes are fitted to whatever shows in either, so that neither head is cut.
  shareContent() {
    const ends = this.panes.map((pane) => pane.measure())
    const both = [Math.min, Math.max].map((pick) => [0, 1, 2].map((a) => pick(...ends.flat().map((corner) => corner[a]))))
    for (const pane of this.panes) pane.content = both
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

Object.assign(Viewer.prototype, words, windows, moves)

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
