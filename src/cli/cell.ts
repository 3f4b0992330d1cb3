import type { Command } from 'commander'
import { registerGet } from './cell-get.ts'
import { registerList } from './cell-list.ts'
import { registerPack } from './cell-pack.ts'
import { registerPush } from './cell-push.ts'
import { registerRequest } from './cell-request.ts'
import { registerRm } from './cell-rm.ts'
import { registerSign } from './cell-sign.ts'
import { registerYank } from './cell-yank.ts'

/** Adds `cytoplex cell …`. */
export function registerCellCommands(program: Command): void {
  // `--version` after a verb is the cell's, not the program's.
  program.enablePositionalOptions()
  const cell = program
    .command('cell')
    .description('pack, sign, register, find and download cells')
    .addHelpText(
      'after',
      '\nExample:\n  $ cytoplex cell push sql-wasm.wasm --version 1.0.0 --capability query-sql@3.49.0',
    )
  for (const register of [
    registerPack,
    registerSign,
    registerPush,
    registerList,
    registerGet,
    registerRequest,
    registerYank,
    registerRm,
  ]) {
    register(cell)
  }
}
