// The part of the viewer that says what is shown: labels, legend, convention, value and place under the crosshair.

import { choices } from './choices.js'
import { agreementIn, legendOf, lesionsOf, overlaysOf } from './layers.js'
import { HEAT } from './mask.js'
import { show, unitAfter, whole } from './numbers.js'
import { chip } from './ui.js'

export const words = {
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
    overlayGroup.hidden = overlaysOf(view).length === 0
    const kinds = legendOf(view)
    this.there = [...kinds.keys()].reduce((bits, bit) => bits | bit, 0)
    this.other = [...kinds.values()].some(([colour]) => colour === 'other')
    const made = [...kinds].map(([bit, [colour, label]]) => {
      const made = chip(colour, label, () => { this.shown ^= bit; choices.overlay = (this.shown & this.there) !== 0; this.paintOverlay() })
      made.dataset.bit = bit
      if (bit === HEAT) made.append(Object.assign(document.createElement('b'), { className: 'scale', innerHTML: '<u>0</u><s></s><u>1</u>' }))
      return made
    })
    if (agreementIn(view)) made.push(Object.assign(document.createElement('span'), { className: 'legend', innerHTML: `<i></i>${this.other ? 'both' : 'agreement'}` }))
    chips.replaceChildren(...made)
    this.paintOverlay()
    this.describeConvention()
    this.describeLayout()
  },

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
  },

  describeLayout() {
    const now = this.layoutNow()
    for (const b of this.ui.layouts) b.setAttribute('aria-pressed', String(b.dataset.layout === now))
    this.ui.root.dataset.layout = now
  },

  describeLesions(known) {
    const { lesions, lesion, root } = this.ui
    lesions.hidden = !this.view || !overlaysOf(this.view).some((o) => o.kind !== 'heat')
    if (!known) lesion.textContent = 'lesions …'
    else {
      const n = this.lesions.length
      const at = this.lesions[this.lesion]
      const whose = lesionsOf(this.view)
      const named = n === 0 ? 'no lesion' : at ? `lesion ${this.lesion + 1}/${n} · ${at.ml < 1 ? at.ml.toFixed(2) : at.ml.toFixed(1)} ml` : `${n} lesion${n > 1 ? 's' : ''}`
      lesion.textContent = `${named} · ${whose}`
      lesion.title = whose === 'all masks' ? 'Parts of all masks on screen together; the numbers beside the picture are of the prediction alone' : `Parts of the ${whose}`
      root.dataset.lesions = String(n)
      root.dataset.lesion = String(this.lesion + 1)
    }
    for (const b of lesions.querySelectorAll('button')) b.disabled = !this.lesions.length
  },

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
  },
}
