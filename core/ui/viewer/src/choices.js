// What a person chose, kept while the page lives: for another case, another page and back. usual: the outline before a
// view asked for outlines alone (asked).

export const choices = { layout: null, radiological: true, opacity: 0.4, outline: false, usual: false, asked: false, overlay: true,
  presets: {} }
