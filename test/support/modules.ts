import { createRequire } from 'node:module'

/** Real WebAssembly modules that ship inside npm packages. */
const resolve = createRequire(import.meta.url).resolve

/** 48 KB. */
export const SMALL_MODULE = resolve('source-map/lib/mappings.wasm')
/** 690 KB. */
export const MIDDLE_MODULE = resolve('sql.js/dist/sql-wasm.wasm')
/** 14 MB. */
export const LARGE_MODULE = resolve('esbuild-wasm/esbuild.wasm')
