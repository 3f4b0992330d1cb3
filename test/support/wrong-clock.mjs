// Makes the clock of a process wrong by so many milliseconds: node --import test/support/wrong-clock.mjs
const by = Number(process.env.WRONG_CLOCK_MS)
const { now } = Date
const RightDate = Date
globalThis.Date = class extends RightDate {
  constructor(...given) {
    super(...(given.length === 0 ? [now() + by] : given))
  }
  static now() {
    return now() + by
  }
}
