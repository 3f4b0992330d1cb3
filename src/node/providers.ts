import { join } from 'node:path'
import type { ProviderPackage, RegisteredProvider } from '../../protocol/providers.ts'
import { ProviderError, StartError } from '../kernel/base/errors.ts'
import type { Config } from '../kernel/config/schema.ts'
import { RegistryError } from '../kernel/plugins/errors.ts'
import type { PackageDefinition } from '../kernel/plugins/package.ts'
import { type Anchor, anchors } from '../kernel/plugins/packages/anchors.ts'
import { type BlobStore, blobStores } from '../kernel/plugins/packages/blob-stores.ts'
import { type Embeddings, embeddings } from '../kernel/plugins/packages/embeddings.ts'
import { type Evaluator, evaluators } from '../kernel/plugins/packages/evaluators.ts'
import { type Llm, llms } from '../kernel/plugins/packages/llms.ts'
import { type Notifier, notifiers } from '../kernel/plugins/packages/notifiers.ts'
import { proofVerifiers } from '../kernel/plugins/packages/proof-verifiers.ts'
import { rankers } from '../kernel/plugins/packages/rankers.ts'
import { validators } from '../kernel/plugins/packages/validators.ts'
import type { ProviderConfig } from '../kernel/plugins/provider-config.ts'
import type { ProviderRegistry } from '../kernel/plugins/registry.ts'
import { PackageValidators } from './package-validators.ts'
import type { NodeParts } from './parts.ts'
import { ProofVerifiers } from './proof-verifiers.ts'

/** The anchor that the agent network's configuration names. */
const TAU = 'tau'

type Choice = Config['providers']['blob_store']

/** The providers that the configuration chose, made by the registry. Each method throws `StartError` that names the key. */
export class ChosenProviders {
  readonly #registry: ProviderRegistry
  readonly #config: Config

  constructor(registry: ProviderRegistry, config: Config) {
    this.#registry = registry
    this.#config = config
  }

  blobStore(): Promise<BlobStore> {
    const own = { directory: join(this.#config.data_dir, 'blobs') }
    return this.#create('blob_store', blobStores, this.#config.providers.blob_store, own)
  }

  async validators(): Promise<PackageValidators> {
    const own = { timeout: this.#config.cells.validation_timeout_ms }
    const made = []
    for (const choice of this.#config.providers.validators) {
      made.push(await this.#create('validators', validators, choice, own))
    }
    return new PackageValidators(made)
  }

  async proofVerifiers(): Promise<ProofVerifiers> {
    const own = { network: this.#config.network.name }
    const made = []
    for (const choice of this.#config.providers.proof_verifiers) {
      made.push(await this.#create('proof_verifiers', proofVerifiers, choice, own))
    }
    return new ProofVerifiers(made)
  }

  evaluator(): Promise<Evaluator> {
    return this.#create('evaluators', evaluators, this.#config.providers.evaluators, {})
  }

  embeddings(): Promise<Embeddings> {
    return this.#create('embeddings', embeddings, this.#config.providers.embeddings, {})
  }

  llm(): Promise<Llm> {
    return this.#create('llms', llms, this.#config.providers.llms, {})
  }

  /** By name. Throws `StartError` too when one is named twice: what was committed is remembered by name. */
  async anchors(): Promise<{ readonly name: string; readonly anchor: Anchor }[]> {
    const { tau_host: host, tau_port: port } = this.#config.anchors
    const made: { name: string; anchor: Anchor }[] = []
    for (const choice of this.#chosenAnchors()) {
      const { provider_name: name } = choice
      if (made.some((other) => other.name === name))
        throw new StartError(`providers.anchors: ${name} stands there twice`)
      made.push({ name, anchor: await this.#create('anchors', anchors, choice, { host, port }) })
    }
    return made
  }

  /** By name. Throws `StartError` too when one is named twice: what it has to deliver is remembered by name. */
  async notifiers(): Promise<{ readonly name: string; readonly notifier: Notifier }[]> {
    const own = { allow_private: this.#config.assurance.webhooks_allow_private }
    const made: { name: string; notifier: Notifier }[] = []
    for (const choice of this.#config.providers.notifiers) {
      const { provider_name: name } = choice
      if (made.some((other) => other.name === name))
        throw new StartError(`providers.notifiers: ${name} stands there twice`)
      made.push({ name, notifier: await this.#create('notifiers', notifiers, choice, own) })
    }
    return made
  }

  #chosenAnchors(): readonly Choice[] {
    const { providers, anchors } = this.#config
    const hasTau = providers.anchors.some(({ provider_name }) => provider_name === TAU)
    return anchors.commit_to_tau && !hasTau ? [...providers.anchors, { provider_name: TAU }] : providers.anchors
  }

  async rankers(): Promise<NodeParts['rankers']> {
    const choices = this.#config.providers.rankers
    const create = (priority: keyof typeof choices) =>
      this.#create(`rankers.${priority}`, rankers, choices[priority], {})
    return {
      default: await create('default'),
      memory: await create('memory'),
      speed: await create('speed'),
      battery: await create('battery'),
    }
  }

  /** Every package with its providers, and which of them this node uses. */
  packages(): ProviderPackage[] {
    const { providers } = this.#config
    const { blob_store, validators: chosen, rankers: ranking, proof_verifiers: verifiers } = providers
    const inUse = new Map<string, readonly Choice[]>([
      [anchors.name, this.#chosenAnchors()],
      [blobStores.name, [blob_store]],
      [validators.name, chosen],
      [proofVerifiers.name, verifiers],
      [evaluators.name, [providers.evaluators]],
      [notifiers.name, providers.notifiers],
      [llms.name, [providers.llms]],
      [embeddings.name, [providers.embeddings]],
      [rankers.name, Object.values(ranking)],
    ])
    return this.#registry.packages.map((name) => ({
      package: name,
      documentation: this.#registry.documentationOf(name),
      providers: [...this.#registry.listProviders(name)],
      in_use: [...new Set((inUse.get(name) ?? []).map(({ provider_name }) => provider_name))],
    }))
  }

  /** Throws `PROV_001` with status 404 for a package or a provider that is not there. */
  info(packageName: string, providerName: string): RegisteredProvider {
    try {
      return this.#registry.getProviderInfo(packageName, providerName)
    } catch (error) {
      throw notFound(error)
    }
  }

  /** Throws `PROV_001` with status 404 for one that is not there. */
  package(name: string): ProviderPackage {
    try {
      this.#registry.documentationOf(name)
    } catch (error) {
      throw notFound(error)
    }
    return this.packages().find((one) => one.package === name)!
  }

  /** `own`: what the node knows better than the operator, for the providers that have such a field. */
  async #create<Provider>(
    key: string,
    definition: PackageDefinition<Provider>,
    { provider_name, ...config }: Choice & ProviderConfig,
    own: ProviderConfig,
  ): Promise<Provider> {
    try {
      const { config_schema } = this.#registry.getProviderInfo(definition.name, provider_name)
      const fields = 'properties' in config_schema ? Object.keys(config_schema.properties as object) : []
      const known = Object.fromEntries(Object.entries(own).filter(([field]) => fields.includes(field)))
      return await this.#registry.createProvider(definition, provider_name, { ...known, ...config })
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error
      throw new StartError(`providers.${key}: ${error.message}`, { cause: error })
    }
  }
}

const notFound = (error: unknown): unknown =>
  error instanceof RegistryError ? new ProviderError('PROV_001', error.message, { status: 404 }) : error
