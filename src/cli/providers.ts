import type { Command } from 'commander'
import { ProviderPackage, ProviderPackages, RegisteredProvider } from '../../protocol/providers.ts'
import { askNode } from './ask-node.ts'
import { printJson, printLine, printTable } from './output.ts'
import { type TargetOptions, targetOptions } from './target.ts'

const ROOT = '/api/v1/providers'

interface ProvidersOptions extends TargetOptions {
  json?: boolean
}

/** `cytoplex providers [package [name]]`: which parts of a node can be replaced, by what, and how that is configured. */
export function registerProviders(program: Command): void {
  targetOptions(
    program
      .command('providers')
      .description('list the replaceable parts of a node, and the providers of each')
      .argument('[package]', 'package of providers, such as rankers')
      .argument('[name]', 'provider in that package'),
  )
    .addHelpText(
      'after',
      `
Needs the key of the administrator. The configuration chooses under "providers"; plugins add providers.

Example:
  $ cytoplex providers rankers memory`,
    )
    .action(providers)
}

async function providers(
  packageName: string | undefined,
  name: string | undefined,
  options: ProvidersOptions,
): Promise<void> {
  if (packageName === undefined) {
    const { answer } = await askNode(options, ROOT, ProviderPackages)
    if (options.json) printJson(answer)
    else printPackages(answer.packages)
    return
  }
  const path = `${ROOT}/${encodeURIComponent(packageName)}`
  if (name === undefined) {
    const { answer } = await askNode(options, path, ProviderPackage)
    if (options.json) printJson(answer)
    else {
      printPackages([answer])
      printLine(`\n${answer.documentation}`)
    }
    return
  }
  const { answer } = await askNode(options, `${path}/${encodeURIComponent(name)}`, RegisteredProvider)
  if (options.json) printJson(answer)
  else printProvider(answer)
}

function printPackages(packages: readonly ProviderPackage[]): void {
  printTable(
    ['PACKAGE', 'PROVIDER', 'IN USE'],
    packages.flatMap((one) =>
      one.providers.map((provider) => [one.package, provider, one.in_use.includes(provider) ? 'yes' : 'no']),
    ),
  )
}

function printProvider({ config_schema, ...provider }: RegisteredProvider): void {
  printTable(
    ['FIELD', 'VALUE'],
    [
      ['package', provider.package],
      ['name', provider.name],
      ['type', provider.type === 'plugin' ? 'plugin' : 'built in'],
      ['capabilities', provider.capabilities.join(', ')],
      ['features', provider.supported_features.join(', ')],
      ['documentation', provider.documentation],
    ],
  )
  const { properties = {}, required = [] } = config_schema as {
    properties?: Record<string, { type?: string; default?: unknown; description?: string }>
    required?: string[]
  }
  printLine()
  printTable(
    ['CONFIGURATION', 'TYPE', 'NEEDED', 'DEFAULT', 'MEANING'],
    Object.entries(properties).map(([field, { type = '', default: value, description = '' }]) => [
      field,
      type,
      required.includes(field) ? 'yes' : 'no',
      value === undefined ? '' : JSON.stringify(value),
      description,
    ]),
  )
}
