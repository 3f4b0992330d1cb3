export const HOUR_MS = 60 * 60 * 1000
export const DAY_MS = 24 * HOUR_MS

/** Days since 1970 (UTC). */
export const dayOf = (ms: number): number => Math.floor(ms / DAY_MS)
export const hourOf = (ms: number): number => Math.floor(ms / HOUR_MS)

/** Keys of one width sort by time. */
export const dayName = (day: number): string => `d${String(day).padStart(6, '0')}`
export const hourName = (hour: number): string => `h${String(hour).padStart(7, '0')}`

/** One version of a cell, as part of a key: neither part contains `!`. */
export const seriesName = (cellType: string, version: string): string => `${cellType}!${version}`
