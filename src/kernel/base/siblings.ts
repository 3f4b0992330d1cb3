import { extname } from 'node:path'

/** The file `name` beside the module at `url` (its `import.meta.url`), with that module's extension: sources run, or the built package. */
export const siblingOf = (url: string, name: string): URL => new URL(`./${name}${extname(url)}`, url)
