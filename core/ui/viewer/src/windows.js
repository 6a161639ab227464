// The part of the viewer that decides which grey values are shown, in displayed units and the file's.

import { choices } from './choices.js'

export const windows = {
  windowOf(i, image) {
    const p = this.view.panels[i]
    const pane = this.panes[i]
    const chosen = p.presets.find(([name]) => name === choices.presets[p.modality])
    pane.preset = chosen ? chosen[0] : 'Auto'
    const given = chosen ? chosen.slice(1) : choices.presets[p.modality] === 'Auto' ? null : p.window
    if (!given) return image.auto
    if (!chosen) pane.preset = p.presets.find(([, low, high]) => low === given[0] && high === given[1])?.[0] ?? 'Manual'
    return given.map((v) => v / pane.scale)
  },

  // The panes that show the same image: they share one window.
  twins(i) {
    const { panels } = this.view
    return this.panes.map((_, k) => k).filter((k) => panels[k].url === panels[i].url)
  },

  startWindow(i) {
    const [low, high] = this.windowOf(i, this.panes[i].image)
    this.applyWindow(i, low, high, this.panes[i].preset)
  },

  // low, high in the file's values.
  applyWindow(i, low, high, preset) {
    for (const k of this.twins(i)) {
      this.panes[k].preset = preset
      this.panes[k].setWindow(low, high)
      this.showWindow(k)
    }
  },

  showWindow(i) {
    const { parts, image, preset, scale } = this.panes[i]
    const tidy = (v) => String(Number((v * scale).toPrecision(4)))
    parts.low.value = tidy(image.cal_min)
    parts.high.value = tidy(image.cal_max)
    parts.preset.value = preset
  },

  setPreset(i, name) {
    if (name === 'Manual' || !this.panes[i].ready) return
    choices.presets[this.view.panels[i].modality] = name
    this.startWindow(i)
  },

  // low, high in displayed units; anything that is not a window leaves the picture as it is.
  setWindow(i, low, high, name) {
    const pane = this.panes[i]
    if (!pane.ready) return
    if (Number.isFinite(low) && Number.isFinite(high) && high > low) {
      this.applyWindow(i, low / pane.scale, high / pane.scale, name)
    } else this.showWindow(i)
  },

  dragWindow(pane, dx, dy, done) {
    const i = this.panes.indexOf(pane)
    const { image } = pane
    const width = Math.max(image.cal_max - image.cal_min, 1e-9)
    const next = Math.max(width * Math.exp(dx / 200), width * 0.02)
    const level = (image.cal_max + image.cal_min) / 2 - (dy / 300) * width
    image.cal_min = level - next / 2
    image.cal_max = level + next / 2
    for (const k of this.twins(i)) { this.panes[k].preset = 'Manual'; this.showWindow(k) }
    if (done || (!pane.slow && pane.voxels < 8e6)) {
      pane.windowFrame ??= requestAnimationFrame(() => { pane.windowFrame = null; if (pane.ready) this.applyWindow(i, image.cal_min, image.cal_max, 'Manual') })
    }
  },

  nextPreset() {
    const i = this.active
    const names = ['Auto', ...this.view.panels[i].presets.map(([name]) => name)]
    this.setPreset(i, names[(names.indexOf(this.panes[i].preset) + 1) % names.length])
  },
}
