/** A family of metrics, as far as its name is judged. */
export interface MetricFamily {
  readonly name: string
  readonly help: string
  /** Of the exposition format. */
  readonly type: string
  readonly labelNames?: readonly string[]
}

/** Units that are no base units, alone or behind a prefix: `minutes` and `milliseconds` are wrong, `seconds` is right. */
const BASE_UNITS = 'amperes|bytes|celsius|grams|joules|kelvin|meters|metres|seconds|volts'
const OTHER_UNITS = 'minutes|hours|days|weeks|kelvins|fahrenheit|rankine|inches|yards|miles|bits|calories|pounds|ounces'
const PREFIXES = 'pico|nano|micro|milli|centi|deci|deca|hecto|kilo|kibi|mega|mibi|giga|gibi|tera|tebi|peta|pebi'
const WRONG_UNIT = new RegExp(`(^|_)((${PREFIXES})(${BASE_UNITS}|${OTHER_UNITS})|(${OTHER_UNITS}))(_|$)`)
const ABBREVIATION = /_(s|ms|us|ns|sec|b|kb|mb|gb|tb|pb|m|h|d)(_|$)/
const TYPE = /_(counter|gauge|summary|histogram|gauge_histogram)(_|$)/

/**
 * What Prometheus' linter (`promtool check metrics`) has to say about a family, in words; undefined when nothing. Its rules are those of
 * https://prometheus.io/docs/practices/naming/.
 */
export function namingObjection({ name, help, type, labelNames = [] }: MetricFamily): string | undefined {
  const lower = name.toLowerCase()
  if (help === '') return 'no help text'
  if (type === 'counter' && !name.endsWith('_total')) return 'a counter ends in _total'
  if (type !== 'counter' && type !== 'untyped' && name.endsWith('_total')) return 'only a counter ends in _total'
  if (type === 'gauge' || type === 'counter') {
    if (/_(count|sum|bucket)$/.test(name))
      return 'only parts of histograms and summaries end in _count, _sum or _bucket'
    if (labelNames.some((label) => label === 'le' || label === 'quantile')) return 'the label of another type'
  }
  if (WRONG_UNIT.test(name)) return 'not a base unit'
  if (ABBREVIATION.test(lower)) return 'an abbreviated unit'
  if (TYPE.test(lower)) return 'its type in its name'
  if (name.includes(':')) return 'a colon'
  if ([name, ...labelNames].some((one) => /[a-z][A-Z]/.test(one))) return 'camelCase'
  return undefined
}
