// One NIfTI file over HTTP into one buffer: counts bytes, checks the gzip sum and the length, never gives half an image.

export class LoadError extends Error {}

const STALL_MS = 30000 // no byte for so long is a failure
const LARGEST = 1.6e9 // bytes of voxels; browsers refuse ArrayBuffers not far above
const READABLE = new Set([2, 4, 8, 16, 64, 256, 512, 768]) // NIfTI datatypes: integers to 32 bits, float32, float64

// The fields of a NIfTI-1 or -2 header that decide whether the file can be shown. bytes: at least 540 of them.
export function parseHeader(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const sizes = [view.getInt32(0, true), view.getInt32(0, false)]
  const little = sizes[0] === 348 || sizes[0] === 540
  const size = little ? sizes[0] : sizes[1]
  if (size !== 348 && size !== 540) throw new LoadError('is not a NIfTI image; choose another image')
  const two = size === 540
  const dims = Array.from({ length: 8 }, (_, i) =>
    two ? Number(view.getBigInt64(16 + 8 * i, little)) : view.getInt16(40 + 2 * i, little))
  const datatype = view.getInt16(two ? 12 : 70, little)
  const bits = view.getInt16(two ? 14 : 72, little)
  const offset = two ? Number(view.getBigInt64(168, little)) : view.getFloat32(108, little)
  const codes = two ? [view.getInt32(344, little), view.getInt32(348, little)]
    : [view.getInt16(252, little), view.getInt16(254, little)]
  const rank = dims[0]
  if (rank < 3 || rank > 7 || dims.slice(1, rank + 1).some((n) => n < 1)) throw new LoadError('has impossible dimensions; export it again')
  if (dims.slice(4, rank + 1).some((n) => n > 1)) throw new LoadError('is a series of images, not one image; choose another image')
  if (!READABLE.has(datatype) || bits % 8 || bits < 8) throw new LoadError('holds voxels that are not grey values; export it again')
  const length = offset + dims[1] * dims[2] * dims[3] * (bits / 8)
  if (!(offset >= size) || !Number.isInteger(offset) || length > LARGEST) throw new LoadError('is too large for the browser; use the static view')
  return { dims: dims.slice(1, 4), length, two, little, oriented: codes[0] > 0 || codes[1] > 0, codes }
}

// The server reads the sform wherever there is one; NiiVue would prefer a qform of a higher code. One answer for both.
function preferSform(bytes, header) {
  if (header.codes[1] <= 0) return
  const view = new DataView(bytes.buffer)
  if (header.two) view.setInt32(344, 0, header.little)
  else view.setInt16(252, 0, header.little)
}

// Collects a decoded stream into exactly the bytes that the header promises.
class Sink {
  head = new Uint8Array(0)
  filled = 0

  push(chunk) {
    if (!this.header) {
      const joined = new Uint8Array(this.head.length + chunk.length)
      joined.set(this.head)
      joined.set(chunk, this.head.length)
      this.head = joined
      if (joined.length < 544) return
      this.header = parseHeader(joined)
      this.bytes = new Uint8Array(this.header.length)
      chunk = joined
      this.head = null
    }
    const room = this.bytes.length - this.filled
    if (room <= 0) return
    const part = chunk.length > room ? chunk.subarray(0, room) : chunk
    this.bytes.set(part, this.filled)
    this.filled += part.length
  }

  close() {
    if (!this.header || this.filled < this.bytes.length) throw new LoadError('ends before its last voxel; fetch the case again')
    preferSform(this.bytes, this.header)
    return { buffer: this.bytes.buffer, header: this.header }
  }
}

function explain(status) {
  if (status === 404) return 'is no longer on the server: the session ended or the file was removed; reload the page'
  return `could not be read: the server answered ${status}; try again`
}

// A stream of the response's bytes that reports their count and fails when nothing comes any more.
function watched(response, onBytes, stop) {
  const reader = response.body.getReader()
  const next = () => {
    let timer
    const stalled = new Promise((_, reject) => {
      timer = setTimeout(() => { stop(); reject(new LoadError('stopped arriving: the server has been silent for 30 s; try again')) }, STALL_MS)
    })
    return Promise.race([reader.read(), stalled]).finally(() => clearTimeout(timer))
  }
  return { next: async () => {
    const { done, value } = await next()
    if (value) onBytes(value.length)
    return done ? null : value
  } }
}

async function drain(source, first, sink) {
  const zipped = first.length > 1 && first[0] === 0x1f && first[1] === 0x8b
  if (!zipped) {
    for (let chunk = first; chunk; chunk = await source.next()) sink.push(chunk)
    return
  }
  const raw = new ReadableStream({
    start: (c) => c.enqueue(first),
    pull: async (c) => {
      const chunk = await source.next()
      if (chunk) c.enqueue(chunk)
      else c.close()
    },
  })
  const reader = raw.pipeThrough(new DecompressionStream('gzip')).getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    sink.push(value)
  }
}

// Fetches one file. onBytes(count), onTotal(bytes) report; signal cancels (AbortError).
// Resolves to {buffer, header}; rejects with LoadError whose message continues "DWI …".
export async function loadFile(url, { signal, onBytes, onTotal }) {
  const own = new AbortController()
  const stop = () => own.abort()
  signal.addEventListener('abort', stop, { once: true })
  let response
  try {
    response = await fetch(url, { signal: own.signal, credentials: 'same-origin' })
  } catch (error) {
    if (signal.aborted) throw error
    throw new LoadError('did not arrive: the server does not answer; try again')
  }
  if (!response.ok) throw new LoadError(explain(response.status))
  if ((response.headers.get('content-type') ?? '').startsWith('text/html')) throw new LoadError(explain(404))
  const encoded = response.headers.get('content-encoding')
  const length = Number(response.headers.get('content-length'))
  if (length > 0 && (!encoded || encoded === 'identity')) onTotal(length)
  const source = watched(response, onBytes, stop)
  const sink = new Sink()
  try {
    const first = await source.next()
    if (!first) throw new LoadError('is empty; fetch the case again')
    await drain(source, first, sink)
    return sink.close()
  } catch (error) {
    if (signal.aborted || error instanceof LoadError) throw error
    if (error instanceof RangeError) throw new LoadError("does not fit this browser's memory; use the static view")
    if (error instanceof TypeError) throw new LoadError('is damaged or broke off on its way: its checksum does not match; try again')
    throw new LoadError('did not arrive whole; try again')
  }
}
