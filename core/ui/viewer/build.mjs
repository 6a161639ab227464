// Bundles src/ and NiiVue into OUT/viewer.js, with the notices of everything inside in OUT/NOTICE. Usage: node build.mjs OUT
import { build } from 'esbuild'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const here = path.dirname(fileURLToPath(import.meta.url))
const out = path.resolve(process.argv[2] ?? path.join(here, 'dist'))

const BSD2 = `Redistribution and use in source and binary forms, with or without modification, are permitted provided that the
following conditions are met:
1. Redistributions of source code must retain the above copyright notice, this list of conditions and the following
   disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following
   disclaimer in the documentation and/or other materials provided with the distribution.
THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES,
INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES;
LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN
CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS
SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.`

// zarr's codecs are never used here (the viewer reads NIfTI only) and would double the bundle
const noCodecs = {
  name: 'no-codecs',
  setup(b) {
    b.onResolve({ filter: /^numcodecs\// }, (args) => ({ path: args.path, namespace: 'none' }))
    b.onLoad({ filter: /.*/, namespace: 'none' }, () => ({ contents: 'export default null' }))
  },
}

// NiiVue computes a gradient of the whole image at each change of window, for a lighting that is never switched on here:
// a third of the graphics memory, and most of the time where the browser draws in software.
const CALL = 'this.gradientTexture = gradientGL({'
const noGradient = {
  name: 'no-gradient',
  setup(b) {
    b.onLoad({ filter: /niivue[\\/]build[\\/]niivue[\\/]index\.js$/ }, async ({ path: file }) => {
      const text = await readFile(file, 'utf8')
      const parts = text.split(CALL)
      if (parts.length !== 3) throw new Error(`NiiVue has changed: ${parts.length - 1} places compute the gradient, not two`)
      return { contents: parts.join(`if (this.opts.gradientAmount > 0) ${CALL}`), loader: 'js' }
    })
  },
}

async function notices(inputs) {
  const names = new Set()
  for (const file of inputs) {
    const match = file.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//)
    if (match) names.add(match[1])
  }
  const parts = ['The viewer contains the following software.']
  for (const name of [...names].sort()) {
    const folder = path.join(here, 'node_modules', name)
    const info = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'))
    const licence = (await readdir(folder)).find((f) => /^licen[cs]e/i.test(f))
    let text = licence ? await readFile(path.join(folder, licence), 'utf8') : `Licence: ${info.license}`
    if (name === '@niivue/niivue') text = `BSD 2-Clause License\nCopyright (c) the NiiVue contributors (https://github.com/niivue/niivue)\n\n${BSD2}`
    parts.push(`${'-'.repeat(80)}\n${name} ${info.version} (${info.license})\n\n${text.trim()}`)
  }
  return parts.join('\n\n') + '\n'
}

if (!existsSync(path.join(here, 'node_modules', '@niivue', 'niivue'))) throw new Error('run npm ci first')
await mkdir(out, { recursive: true })
const result = await build({
  absWorkingDir: here,
  entryPoints: ['src/viewer.js'],
  outfile: path.join(out, 'viewer.js'),
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
  charset: 'utf8',
  loader: { '.css': 'text', '.glsl': 'text' },
  plugins: [noCodecs, noGradient],
  metafile: true,
  logLevel: 'error',
})
await writeFile(path.join(out, 'NOTICE'), await notices(Object.keys(result.metafile.inputs)))
