// Pointer, wheel and keys -> what the viewer does. Keeps no image state.

const STEP_PIXELS = 36 // of trackpad travel for one slice

// Pointer and wheel on one pane. act: {touch(pane), changed(pane), window(pane, dx, dy, done), step(pane, axis, by)}.
export function listen(pane, frame, act) {
  const pointers = new Map()
  let drag = null, wheel = 0
  const place = (e) => {
    const box = frame.getBoundingClientRect()
    return [e.clientX - box.left, e.clientY - box.top]
  }
  const spread = () => {
    const [a, b] = [...pointers.values()]
    return { distance: Math.hypot(a[0] - b[0], a[1] - b[1]) || 1, middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] }
  }

  frame.addEventListener('contextmenu', (e) => e.preventDefault())
  frame.addEventListener('pointerdown', (e) => {
    if (!pane.ready) return
    const at = place(e)
    const tile = pane.tileAt(...at)
    act.touch(pane, tile)
    if (!tile) return
    e.preventDefault()
    frame.setPointerCapture(e.pointerId)
    pointers.set(e.pointerId, at)
    const start = [...pane.nv.scene.pan2Dxyzmm]
    if (pointers.size === 2) drag = { mode: 'pinch', tile, start, ...spread() }
    else if (tile.plane > 2) drag = { mode: 'turn', tile, at }
    else if (e.shiftKey || e.button === 1) drag = { mode: 'pan', tile, at, start }
    else if (e.button === 2) drag = { mode: 'window', tile, at }
    else {
      drag = { mode: 'cross', tile }
      if (pane.pointAt(...at, tile)) act.changed(pane)
    }
  })
  frame.addEventListener('pointermove', (e) => {
    const at = place(e)
    if (!pane.ready) return
    if (!drag || !pointers.has(e.pointerId)) {
      act.touch(pane, pane.tileAt(...at), true)
      return
    }
    const [x, y] = pointers.get(e.pointerId)
    pointers.set(e.pointerId, at)
    if (drag.mode === 'cross') pane.pointAt(...at, drag.tile)
    else if (drag.mode === 'turn') pane.turn((at[0] - x) * 0.6, (at[1] - y) * 0.6)
    else if (drag.mode === 'pan') pane.pan(...drag.at, ...at, drag.start, drag.tile)
    else if (drag.mode === 'window') return act.window(pane, at[0] - x, at[1] - y, false)
    else if (drag.mode === 'pinch' && pointers.size === 2) {
      const now = spread()
      pane.zoom(now.distance / drag.distance)
      drag.distance = now.distance
    }
    act.changed(pane)
  })
  const end = (e) => {
    if (drag?.mode === 'window' && pointers.has(e.pointerId)) act.window(pane, 0, 0, true)
    pointers.delete(e.pointerId)
    drag = null
  }
  frame.addEventListener('pointerup', end)
  frame.addEventListener('pointercancel', end)
  frame.addEventListener('dblclick', () => { pane.reset(); act.changed(pane) })
  frame.addEventListener('wheel', (e) => {
    if (!pane.ready) return
    e.preventDefault()
    const tile = pane.tileAt(...place(e))
    act.touch(pane, tile, true)
    if (e.ctrlKey || e.metaKey) {
      pane.zoom(Math.exp(-e.deltaY / 300))
      act.changed(pane)
      return
    }
    const travel = e.deltaMode === 0 ? e.deltaY / STEP_PIXELS : Math.sign(e.deltaY)
    if (Math.sign(travel) !== Math.sign(wheel)) wheel = 0
    wheel += Math.abs(e.deltaY) >= 90 ? Math.sign(travel) : travel // a mouse's notch is one slice
    const steps = Math.trunc(wheel)
    wheel -= steps
    if (steps) act.step(-steps, { pane, tile })
  }, { passive: false })
}

const typing = (e) => {
  const target = e.composedPath()[0]
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || target.matches('textarea, select, input:not([type=range])')
}

// Keys while the viewer has focus or the pointer is over it. Returns a function that stops listening.
export function listenKeys(root, act) {
  let over = false
  const enter = () => { over = true }
  const leave = () => { over = false }
  root.addEventListener('pointerenter', enter)
  root.addEventListener('pointerleave', leave)
  const slider = (e) => e.composedPath()[0] instanceof HTMLInputElement
  const press = (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing || typing(e)) return
    if (!over && !e.composedPath().includes(root)) return
    if (slider(e) && /^(Arrow|Page|Home|End)/.test(e.key)) return
    if (!act.key(e.key, e.shiftKey)) return
    e.preventDefault()
    e.stopImmediatePropagation() // Streamlit has keys of its own
  }
  window.addEventListener('keydown', press, true)
  return () => window.removeEventListener('keydown', press, true)
}
