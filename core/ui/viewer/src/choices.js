// What a person chose, kept while the page lives: for another case, another page and back.

export const choices = { layout: null, radiological: true, opacity: 0.4, outline: false, overlay: true, presets: {} }
