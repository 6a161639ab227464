// Images in memory: from a NIfTI buffer to NiiVue's image, its grid, its content, and masks as images. Draws nothing.

import { NVImage } from '@niivue/niivue'
import { LoadError } from './load.js'
import { lift, lookup } from './mask.js'
import { autoWindow } from './numbers.js'

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
export function contentOf(image) {
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

// An NVImage of bits (mask.js) on the grid of `like`; takes `like` over. hot: there is heat in them.
export function maskImage(like, bits, hot = false) {
  like.img = hot ? lift(bits) : bits
  Object.assign(like.hdr, { datatypeCode: 2, numBitsPerVoxel: 8, scl_slope: 1, scl_inter: 0, intent_code: 0 })
  like.cal_min = like.robust_min = like.global_min = 0
  like.cal_max = like.robust_max = like.global_max = hot ? 255 : 3
  like.setColormapLabel(lookup(hot))
  return like
}
