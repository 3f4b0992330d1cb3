import type { Command } from 'commander'
import { PartnerRemoved } from '../../protocol/federation.ts'
import { askNode } from './ask-node.ts'
import { FEDERATION_PATH } from './federation-terms.ts'
import { printJson, printLine, safe } from './output.ts'
import { type TargetOptions, targetOptions } from './target.ts'

interface RemoveOptions extends TargetOptions {
  json?: boolean
}

/** `cytoplex federation remove`: ends a partnership, at once. */
export function registerFederationRemove(federation: Command): void {
  targetOptions(
    federation
      .command('remove')
      .alias('rm')
      .description('end a partnership: its token is worth nothing from then on')
      .argument('<id>', 'its provider id, from `cytoplex federation list`'),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex federation remove 12D3KooW…')
    .action(run)
}

async function run(id: string, options: RemoveOptions): Promise<void> {
  const path = `${FEDERATION_PATH}/partners/${encodeURIComponent(id)}`
  const { answer } = await askNode(options, path, PartnerRemoved, { method: 'DELETE' })
  if (options.json) printJson(answer)
  else printLine(`${safe(answer.message)}.`)
}
