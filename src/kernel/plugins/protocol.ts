/** What plugins get as `cytoplex/protocol`. */
export * from '../../../protocol/index.ts'
