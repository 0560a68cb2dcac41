/** The element that `index.html` has under an id. */
export function element(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`index.html has no element ${id}`)
  return found
}

/** Sets the text of an element, when it is another one. */
export function write(id: string, text: string): void {
  const target = element(id)
  if (target.textContent !== text) target.textContent = text
}

/** A new element with a text. */
export function create<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  text: string,
  className = '',
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag)
  made.textContent = text
  if (className !== '') made.className = className
  return made
}
