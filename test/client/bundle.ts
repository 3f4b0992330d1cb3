import { build } from 'esbuild-wasm'

/** What a web page loads that imports `names` of the SDK, minified. */
export async function bundleOf(names: readonly string[] | '*'): Promise<string> {
  const imported = names === '*' ? '*' : `{ ${names.join(', ')} }`
  const { outputFiles } = await build({
    stdin: { contents: `export ${imported} from './src/client/index.ts'`, resolveDir: process.cwd(), loader: 'ts' },
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    write: false,
    logLevel: 'silent',
  })
  return outputFiles[0]!.text
}
