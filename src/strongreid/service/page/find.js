// Elements of the page by their id, and new ones. Texts are set as texts, never as HTML.

export const find = (id) => document.getElementById(id);

export function make(name, classes = '', text = '') {
  const element = document.createElement(name);
  if (classes) element.className = classes;
  if (text) element.textContent = text;
  return element;
}
