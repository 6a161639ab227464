// The viewer's elements: built once, no behaviour. Names for screen readers live here.

const ICONS = {
  planes: '<rect x="2" y="2" width="7" height="12" rx="1"/><rect x="11" y="2" width="3" height="5" rx="1"/><rect x="11" y="9" width="3" height="5" rx="1"/>',
  axial: '<rect x="2" y="2" width="12" height="12" rx="1.5"/>',
  '3d': '<path d="M8 1.8 13.5 5v6L8 14.2 2.5 11V5zM2.5 5 8 8.2 13.5 5M8 8.2v6"/>',
  outline: '<path d="M8 2.5c3 0 5.5 2 5.5 5S11 13.5 8 13.5 2.5 11 2.5 8 5 2.5 8 2.5z" stroke-dasharray="3 2"/>',
  reset: '<path d="M3.2 6.2A5.2 5.2 0 1 1 2.8 9M3 2.5v3.8h3.8"/>',
  full: '<path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10"/>',
  previous: '<path d="M10 3 5 8l5 5"/>',
  next: '<path d="m6 3 5 5-5 5"/>',
  minus: '<path d="M3 8h10"/>',
  plus: '<path d="M3 8h10M8 3v10"/>',
}

// h('button', {class, onclick, …}, ...children): attributes, and properties where a value is a function.
export function h(name, props = {}, ...children) {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue
    if (typeof value === 'function') element[key] = value
    else element.setAttribute(key, value === true ? '' : value)
  }
  element.append(...children.filter((c) => c !== null && c !== undefined))
  return element
}

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('viewBox', '0 0 16 16')
  svg.setAttribute('aria-hidden', 'true')
  svg.innerHTML = ICONS[name]
  return svg
}

const button = (name, label, key, onclick, extra = {}) =>
  h('button', { type: 'button', 'aria-label': label, title: key ? `${label} (${key})` : label, onclick, ...extra }, icon(name))

export const LAYOUTS = [['planes', 'Three planes'], ['axial', 'Axial'], ['3d', '3D']]

export const KEYS = [
  ['↑ ↓  PgUp PgDn  wheel', 'slice'], ['← →', 'slice, side to side'], ['drag', 'crosshair; turn in 3D'], ['right drag', 'window'],
  ['shift drag', 'move'], ['ctrl wheel, pinch', 'zoom'], ['O', 'overlay on or off'], ['U', 'outline'], ['L', 'next lesion'],
  ['W', 'next window'], ['V', 'layout'], ['R', 'radiological or neurological'], ['0', 'reset view'], ['F', 'full screen'],
  ['J  K', 'next, previous case'], ['1 – 9', 'image'], ['?', 'this list'],
]

function toolbar(act) {
  const layouts = LAYOUTS.map(([id, label]) => button(id, label, 'V', () => act.layout(id), { 'data-layout': id, 'aria-pressed': 'false' }))
  const chips = h('div', { class: 'chips', role: 'group', 'aria-label': 'Overlays' })
  const opacity = h('input', { type: 'range', min: '0', max: '100', value: '40', 'aria-label': 'Overlay opacity', title: 'Overlay opacity', class: 'opacity',
    oninput: (e) => act.opacity(Number(e.target.value) / 100) })
  const outline = button('outline', 'Outline only', 'U', act.outline, { 'aria-pressed': 'false' })
  const lesion = h('output', { class: 'lesion-text', 'aria-live': 'polite' })
  const lesions = h('div', { class: 'group lesions', role: 'group', 'aria-label': 'Lesions, largest first' },
    button('previous', 'Previous lesion', 'shift L', () => act.lesion(-1)), lesion, button('next', 'Next lesion', 'L', () => act.lesion(1)))
  const convention = h('button', { type: 'button', class: 'text convention', onclick: act.radiological, title: 'Radiological or neurological (R)' })
  const overlayGroup = h('div', { class: 'group overlay' }, chips, opacity, outline)
  const bar = h('div', { class: 'bar', role: 'toolbar', 'aria-label': 'Viewer tools' },
    h('div', { class: 'group segmented', role: 'group', 'aria-label': 'Layout' }, ...layouts), overlayGroup, lesions,
    h('div', { class: 'group end' }, convention,
      button('reset', 'Reset view', '0', act.reset), button('full', 'Full screen', 'F', act.full),
      h('button', { type: 'button', class: 'text', 'aria-label': 'Keys', title: 'Keys (?)', onclick: act.help }, '?')))
  return { bar, layouts, chips, opacity, outline, lesion, lesions, overlayGroup, convention }
}

function foot(act) {
  const values = h('output', { class: 'values' })
  const where = h('output', { class: 'where' })
  const count = h('output', { class: 'count' })
  const slider = h('input', { type: 'range', min: '1', max: '1', value: '1', step: '1', 'aria-label': 'Slice', oninput: (e) => act.slice(Number(e.target.value)) })
  const element = h('div', { class: 'foot' },
    h('div', { class: 'group slicer', role: 'group', 'aria-label': 'Slice' }, button('minus', 'Slice down', '↓', () => act.step(-1)), slider,
      button('plus', 'Slice up', '↑', () => act.step(1)), count), values, where)
  return { foot: element, values, where, count, slider }
}

function cover(act) {
  const text = h('p', { class: 'what', role: 'status', 'aria-live': 'polite' })
  const bytes = h('p', { class: 'bytes' })
  const progress = h('progress', { max: '1', value: '0', 'aria-label': 'Loading' })
  const again = h('button', { type: 'button', class: 'primary', onclick: act.retry }, 'Retry')
  const cancel = h('button', { type: 'button', onclick: act.cancel }, 'Cancel')
  return { cover: h('div', { class: 'cover' }, h('div', { class: 'card' }, text, progress, bytes, h('div', { class: 'row' }, again, cancel))),
    what: text, bytes, progress, again, cancel }
}

// The whole viewer. act: what the controls do.
export function build(act) {
  const top = toolbar(act), bottom = foot(act), over = cover(act)
  const stage = h('div', { class: 'stage' })
  const close = h('button', { type: 'button', class: 'text', onclick: act.help }, 'Close')
  const help = h('div', { class: 'help', role: 'dialog', 'aria-label': 'Keys', hidden: true },
    h('dl', {}, ...KEYS.flatMap(([key, what]) => [h('dt', {}, key), h('dd', {}, what)])), close)
  const body = h('div', { class: 'body' }, stage, over.cover, help)
  const root = h('div', { class: 'viewer', tabindex: '0', role: 'group', 'aria-label': 'Image viewer', 'data-state': 'empty' }, top.bar, body, bottom.foot)
  return { root, stage, help, close, ...top, ...bottom, ...over }
}

// One panel's elements. act.preset(name), act.manual(low, high), act.choose().
export function panel(act) {
  const label = h('button', { type: 'button', class: 'label', onclick: act.choose })
  const session = h('span', { class: 'session' })
  const preset = h('select', { 'aria-label': 'Window', title: 'Window (W)', onchange: (e) => act.preset(e.target.value) })
  const number = (name) => h('input', { type: 'number', step: 'any', 'aria-label': name, title: name, onchange: () => act.manual(Number(low.value), Number(high.value)) })
  const low = number('Window from'), high = number('Window to')
  const canvas = h('canvas', { 'aria-hidden': 'true' })
  const marks = h('div', { class: 'marks', 'aria-hidden': 'true' })
  const ribbon = h('div', { class: 'ribbon', hidden: true }, 'Synthetic image')
  const side = h('div', { class: 'side-name' })
  const view = h('div', { class: 'view' }, canvas)
  const frame = h('div', { class: 'frame' }, view, marks, ribbon, side, h('div', { class: 'research' }, 'Research use only'))
  const element = h('section', { class: 'panel' },
    h('div', { class: 'head' }, label, session, h('div', { class: 'window', role: 'group', 'aria-label': 'Window' }, preset, low, h('span', { 'aria-hidden': 'true' }, '–'), high)), frame)
  return { element, label, session, preset, low, high, canvas, marks, ribbon, side, view, frame }
}

// The toggle of one overlay; colour 'truth', 'prediction' or 'both'.
export const chip = (colour, label, onclick) => h('button', { type: 'button', class: `chip ${colour}`, 'aria-pressed': 'true', onclick, title: `${label} on or off` },
  h('i', { 'aria-hidden': 'true' }), h('span', {}, label))
