// Which masks lie over which panel: masks on one grid become one image of bits; those on other grids follow as layers of
// their own. Loads and draws nothing.

import { gridOf, maskImage, scaling } from './image.js'
import { addBits, HEAT, PREDICTION, TRUTH } from './mask.js'

// All overlays of a view: those over every panel, then each panel's own.
export const overlaysOf = (view) => [...view.overlays, ...view.panels.flatMap((p) => p.overlays ?? [])]

// The bit of each chip in the legend, with its colour and its words.
export function legendOf(view) {
  const kinds = new Map()
  const say = (bit, colour, label) => kinds.set(bit, kinds.has(bit) && kinds.get(bit)[1] !== label ? [kinds.get(bit)[0], colour] : [colour, label])
  for (const o of overlaysOf(view)) {
    if (o.kind === 'heat') say(HEAT, 'heat', o.label)
    else if (o.kind === 'mask') say(o.color === 'prediction' ? PREDICTION : TRUTH, o.color, o.label)
    else if (o.kind === 'differ3') { say(PREDICTION, 'prediction', o.names?.[0] ?? 'only the one'); say(TRUTH, 'other', o.names?.[1] ?? 'only the other') }
    else { say(TRUTH, 'truth', 'missed'); say(PREDICTION, 'prediction', 'false positive') }
  }
  return kinds
}

// Whether some panel shows masks of both colours, so that their agreement has a colour of its own.
export function agreementIn(view) {
  return view.panels.some((p) => {
    const here = [...view.overlays, ...(p.overlays ?? [])]
    const colours = new Set(here.filter((o) => o.kind === 'mask').map((o) => o.color === 'prediction'))
    return colours.size === 2 || here.some((o) => o.kind === 'labels3' || o.kind === 'differ3')
  })
}

// Whose lesions are counted: of the one mask on screen, or of all of them together.
export function lesionsOf(view) {
  const masks = overlaysOf(view).filter((o) => o.kind !== 'heat')
  return masks.length === 1 && masks[0].kind === 'mask' ? masks[0].color : 'all masks'
}

// Bits of overlays by grid: Map of grid -> {image, hot, bits}.
function grouped(overlays, images) {
  const groups = new Map()
  for (const o of overlays) {
    const image = images.get(o.url)
    const key = gridOf(image)
    if (!groups.has(key)) groups.set(key, { image, hot: false, bits: new Uint8Array(image.img.length) })
    const group = groups.get(key)
    addBits(group.bits, image.img, scaling(image), o.kind, o.color)
    group.hot ||= o.kind === 'heat'
  }
  return groups
}

// {panels: for each its mask images; all: {bits, dims, affine} of everything together, by grid, to find lesions in}.
export function layersOf(view, images) {
  const own = view.panels.some((p) => p.overlays?.length)
  const shared = grouped(own ? overlaysOf(view) : view.overlays, images)
  const sets = own ? view.panels.map((p) => grouped([...view.overlays, ...(p.overlays ?? [])], images)) : [shared]
  const all = [...shared.values()].map(({ image, bits }) => ({ bits, dims: Array.from(image.hdr.dims.slice(1, 4)), affine: image.hdr.affine }))
  const taken = new Set()
  const made = sets.map((groups) => [...groups.values()].map((group) => {
    const like = taken.has(group.image) ? group.image.clone() : group.image
    taken.add(group.image)
    return () => maskImage(like, group.bits, group.hot)
  }))
  const masks = made.map((set) => set.map((make) => make())) // only now, for it takes the voxels away
  return { all, panels: view.panels.map((_, i) => masks[own ? i : 0]) }
}
