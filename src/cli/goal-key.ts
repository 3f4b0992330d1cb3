import { contributorKey, type RequestKey } from '../client/index.ts'
import { keyFileNamed } from './cell-keys.ts'
import { openSeed } from './seed-file.ts'

/** Loads a contributor's key, or creates it and says so on stderr. Throws `StartError` and `CliError`. */
export const openContributorKey = (path = keyFileNamed('contributor.json')): RequestKey =>
  contributorKey(openSeed(path, 'contributor'))
