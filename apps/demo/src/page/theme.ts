/** A colour of `style.css`, as the present theme has it. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}

export const fontFamily = (): string => getComputedStyle(document.body).fontFamily

/** Calls back when the theme changes. */
export function onTheme(callback: () => void): void {
  matchMedia('(prefers-color-scheme: light)').addEventListener('change', callback)
}
