const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const tenth = new Intl.NumberFormat('en-US', { minimumFractionDigits: 1, maximumFractionDigits: 1 })
const day = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', day: 'numeric', month: 'short' })
const minute = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', hour: '2-digit', minute: '2-digit' })
const full = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'UTC',
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
})

export const count = (n: number): string => whole.format(n)
export const decimal = (n: number): string => tenth.format(n)
export const clock = (time: number): string => `${full.format(time)}, ${minute.format(time)} UTC`
export const dayAndMinute = (time: number): string => `${day.format(time)}, ${minute.format(time)}`
export const hourOf = (time: number): string => minute.format(time)
export const dayOf = (time: number): string => day.format(time)
