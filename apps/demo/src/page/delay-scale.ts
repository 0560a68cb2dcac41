import { create, element } from './element.ts'

/** The classes of average delay: from `least` minutes. Blue to red through light, told apart by colour-blind people. */
const classes = [
  { name: 'early', least: Number.NEGATIVE_INFINITY },
  { name: '0 to 5', least: 0 },
  { name: '5 to 10', least: 5 },
  { name: '10 to 20', least: 10 },
  { name: 'over 20 min', least: 20 },
]

/** The name of the colour of an average delay. */
export function delayColour(minutes: number): string {
  return `delay-${classes.findLastIndex(({ least }) => minutes >= least)}`
}

export function showLegend(): void {
  element('legend').replaceChildren(
    ...classes.map(({ name }, index) => {
      const item = create('li', '')
      const swatch = create('span', '', 'swatch')
      swatch.style.background = `var(--delay-${index})`
      item.append(swatch, name)
      return item
    }),
  )
}
