import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Type } from 'typebox'
import { RegistryError, type RegistryErrorName } from '../../../src/kernel/plugins/errors.ts'
import { lacking, type PackageDefinition } from '../../../src/kernel/plugins/package.ts'
import type { ProviderConfig } from '../../../src/kernel/plugins/provider-config.ts'
import { type ProviderFactory, ProviderRegistry } from '../../../src/kernel/plugins/registry.ts'

interface Lamp {
  shine(): string
}

const lamps: PackageDefinition<Lamp> = {
  name: 'lamps',
  documentation: 'Shine.',
  misshapen: (lamp) => lacking(lamp, ['shine']),
}
const empty: PackageDefinition<object> = { name: 'empty', documentation: 'Nothing.', misshapen: () => undefined }

const lamp: ProviderFactory<Lamp> = () => ({ shine: () => 'bright' })
const open = () => new ProviderRegistry([lamps, empty])

const isError = (name: RegistryErrorName, facts: Partial<RegistryError> & { says: RegExp }) => (error: unknown) => {
  assert.ok(error instanceof RegistryError)
  assert.equal(error.name, name)
  const { says, ...expected } = facts
  assert.match(error.message, says)
  for (const [fact, value] of Object.entries(expected)) {
    assert.deepEqual(error[fact as keyof RegistryError], value, fact)
  }
  return true
}

describe('registering', () => {
  it('makes a provider known to lists, to descriptions and to creation', async () => {
    const registry = open()
    registry.registerProvider('lamps', 'oil', lamp, {
      capabilities: ['light'],
      features: ['dimming'],
      documentation: 'Burns.',
    })
    registry.registerProvider('lamps', 'candle', lamp)
    assert.deepEqual(registry.listProviders('lamps'), ['candle', 'oil'])
    assert.deepEqual(registry.listProviders('empty'), [])
    const { config_schema, ...info } = registry.getProviderInfo('lamps', 'oil')
    assert.deepEqual(info, {
      package: 'lamps',
      name: 'oil',
      type: 'built_in',
      capabilities: ['light'],
      supported_features: ['dimming'],
      documentation: 'Burns.',
    })
    assert.ok('properties' in config_schema)
    assert.deepEqual(Object.keys(config_schema.properties as object), [
      'provider_name',
      'api_key',
      'endpoint',
      'timeout',
    ])
    assert.equal((await registry.createProvider(lamps, 'oil')).shine(), 'bright')
  })

  it('a thousand times at once under one name succeeds once', async () => {
    const registry = open()
    const outcomes = await Promise.allSettled(
      Array.from({ length: 1000 }, async (_, number) => {
        await Promise.resolve()
        registry.registerProvider('lamps', 'oil', () => ({ shine: () => String(number) }))
        return number
      }),
    )
    const winners = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []))
    const losers = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []))
    assert.equal(winners.length, 1)
    assert.equal(losers.length, 999)
    for (const error of losers) {
      assert.ok(isError('ErrProviderExists', { package: 'lamps', provider: 'oil', says: /registered already/ })(error))
    }
    assert.equal((await registry.createProvider(lamps, 'oil')).shine(), String(winners[0]), 'the first one stays')
  })

  it('is refused for what is wrong, and leaves nothing behind', () => {
    const registry = open()
    const register = (pack: string, name: string, factory: unknown, config?: unknown) => () =>
      registry.registerProvider(pack, name, factory as ProviderFactory, { config: config as never })
    assert.throws(
      register('tables', 'oil', lamp),
      isError('ErrPackageNotFound', {
        package: 'tables',
        existing: ['empty', 'lamps'],
        says: /there are empty, lamps/,
      }),
    )
    for (const [factory, found] of [
      [undefined, 'undefined'],
      [null, 'null'],
      [{ shine: lamp }, 'object'],
    ] as const) {
      assert.throws(
        register('lamps', 'oil', factory),
        isError('ErrInvalidFactory', { package: 'lamps', provider: 'oil', says: new RegExp(`is ${found}, not`) }),
      )
    }
    for (const name of ['', 'Oil', '-oil', 'a b', 'a/b', '__proto__', 'x'.repeat(65)]) {
      assert.throws(register('lamps', name, lamp), isError('ErrRegistrationFailed', { says: /cannot name a provider/ }))
    }
    const circular: Record<string, unknown> = { type: 'object' }
    circular.properties = { circular }
    assert.throws(
      register('lamps', 'oil', lamp, { oil: circular }),
      isError('ErrRegistrationFailed', { package: 'lamps', provider: 'oil', says: /description of lamps\/oil/ }),
    )
    assert.deepEqual(registry.listProviders('lamps'), [])
  })

  it('after the built-in ones makes plugins', () => {
    const registry = open()
    registry.registerProvider('lamps', 'oil', lamp)
    registry.builtInsComplete()
    registry.registerProvider('lamps', 'candle', lamp)
    const types = ['oil', 'candle'].map((name) => registry.getProviderInfo('lamps', name).type)
    assert.deepEqual(types, ['built_in', 'plugin'])
  })

  it('in one registry is not seen in another', () => {
    const [one, other] = [open(), open()]
    one.registerProvider('lamps', 'oil', lamp)
    assert.deepEqual(other.listProviders('lamps'), [])
  })
})

describe('what is asked for by a name that is not there', () => {
  const registry = open()
  registry.registerProvider('lamps', 'oil', lamp)
  registry.registerProvider('lamps', 'candle', lamp)
  const noPackage = isError('ErrPackageNotFound', { package: 'tables', says: /no package "tables"/ })
  const noProvider = isError('ErrProviderNotFound', {
    package: 'lamps',
    provider: 'gas',
    existing: ['candle', 'oil'],
    says: /there are candle, oil/,
  })

  it('is answered with the names that are', async () => {
    assert.throws(() => registry.listProviders('tables'), noPackage)
    assert.throws(() => registry.getProviderInfo('tables', 'oil'), noPackage)
    assert.throws(() => registry.getProviderInfo('lamps', 'gas'), noProvider)
    await assert.rejects(registry.createProvider('tables', 'oil'), noPackage)
    await assert.rejects(registry.createProvider('lamps', 'gas'), noProvider)
    await assert.rejects(
      registry.createProvider('empty', 'gas'),
      isError('ErrProviderNotFound', { existing: [], says: /there is none/ }),
    )
  })
})

describe('a configuration', () => {
  const open = (seen: unknown[] = []) => {
    const registry = new ProviderRegistry([lamps])
    const factory = (_signal: AbortSignal, config: object): Lamp => {
      seen.push(config)
      return { shine: () => 'bright' }
    }
    registry.registerProvider('lamps', 'electric', factory, {
      config: {
        watts: Type.Integer({ minimum: 1, maximum: 100, default: 60 }),
        colour: Type.Optional(Type.Union([Type.Literal('warm'), Type.Literal('cold')])),
        wiring: Type.Optional(Type.Object({ poles: Type.Array(Type.Integer()) })),
      },
    })
    return registry
  }

  it('reaches the factory checked, complete and frozen; the caller keeps his own', async () => {
    const seen: { wiring: { poles: number[] } }[] = []
    const config = { api_key: 'k', endpoint: 'e', timeout: 5000, wiring: { poles: [1, 2] } }
    const before = structuredClone(config)
    await open(seen).createProvider(lamps, 'electric', config)
    assert.deepEqual(config, before)
    assert.ok(!Object.isFrozen(config) && !Object.isFrozen(config.wiring.poles))
    const [received] = seen
    assert.deepEqual(received, { ...config, provider_name: 'electric', watts: 60 })
    assert.ok(Object.isFrozen(received) && Object.isFrozen(received.wiring.poles))
    assert.notEqual(received.wiring, config.wiring)
  })

  it('that is wrong never reaches it; the error names the field and what is allowed, and repeats no secret', async () => {
    const seen: unknown[] = []
    const registry = open(seen)
    const wrong: [config: unknown, says: RegExp][] = [
      [{ watts: 0 }, /config\.watts must be >= 1/],
      [{ watts: 'many' }, /config\.watts must be integer/],
      [{ colour: 'pink' }, /config\.colour must be/],
      [{ volts: 230 }, /config has unknown fields: volts/],
      [{ provider_name: 'oil' }, /config\.provider_name must be "electric"/],
      [{ timeout: 0 }, /config\.timeout must be >= 1/],
      [{ wiring: { poles: ['a'] } }, /config\.wiring\.poles\.0 must be integer/],
      [{ watts: () => 1 }, /plain data/],
      [null, /must be an object/],
      [[], /must be an object/],
    ]
    for (const [config, says] of wrong) {
      await assert.rejects(
        registry.createProvider(lamps, 'electric', config as ProviderConfig),
        isError('ErrInvalidConfig', { package: 'lamps', provider: 'electric', says }),
      )
    }
    const secret = { api_key: 7, endpoint: 'sesame' } as unknown as ProviderConfig
    await assert.rejects(registry.createProvider(lamps, 'electric', secret), (error: Error) => {
      assert.match(error.message, /config\.api_key must be string/)
      return !error.message.includes('sesame')
    })
    assert.deepEqual(seen, [])
  })

  it('asks for a credential only where the provider does', async () => {
    const registry = new ProviderRegistry([lamps])
    registry.registerProvider('lamps', 'rented', lamp, { config: { api_key: Type.String({ minLength: 1 }) } })
    await assert.rejects(
      registry.createProvider(lamps, 'rented'),
      isError('ErrInvalidConfig', { says: /config lacks api_key/ }),
    )
    await registry.createProvider(lamps, 'rented', { api_key: 'k' })
  })

  it('leaves no secret in what is told of the provider', async () => {
    const registry = open()
    await registry.createProvider(lamps, 'electric', { api_key: 'sesame' })
    assert.doesNotMatch(JSON.stringify(registry.getProviderInfo('lamps', 'electric')), /sesame/)
  })
})

describe('a factory', () => {
  const failing = (factory: ProviderFactory) => {
    const registry = open()
    registry.registerProvider('lamps', 'oil', factory)
    return registry
  }

  it('that throws, at once or later, is a failed creation with its cause', async () => {
    const cause = new Error('no oil')
    const factories: ProviderFactory[] = [
      () => {
        throw cause
      },
      () => Promise.reject(cause),
    ]
    for (const factory of factories) {
      await assert.rejects(
        failing(factory).createProvider(lamps, 'oil'),
        isError('ErrProviderCreationFailed', { package: 'lamps', provider: 'oil', cause, says: /no oil/ }),
      )
    }
  })

  it('that hangs past its timeout is given up; it hears of it, and what comes too late is closed', async () => {
    const { promise: late, resolve } = Promise.withResolvers<object>()
    const { promise: closed, resolve: close } = Promise.withResolvers<void>()
    let heard: AbortSignal | undefined
    const registry = failing((signal) => {
      heard = signal
      return late
    })
    await assert.rejects(
      registry.createProvider(lamps, 'oil', { timeout: 20 }),
      isError('ErrProviderCreationFailed', { says: /not ready within 20 ms/ }),
    )
    assert.equal(heard?.aborted, true)
    resolve({ shine: () => 'late', close: () => close() })
    await closed
  })

  it('stops when the caller gives up', async () => {
    const registry = failing(() => new Promise(() => undefined))
    const controller = new AbortController()
    const creating = registry.createProvider(lamps, 'oil', {}, controller.signal)
    controller.abort(new Error('never mind'))
    await assert.rejects(creating, isError('ErrProviderCreationFailed', { says: /never mind/ }))
    await assert.rejects(
      registry.createProvider(lamps, 'oil', {}, controller.signal),
      isError('ErrProviderCreationFailed', { says: /never mind/ }),
    )
  })

  it('that makes something else is a failed creation, and what it made is closed', async () => {
    let closes = 0
    const wrong: [made: unknown, says: RegExp][] = [
      [{ glow: () => 'dim', close: () => closes++ }, /cannot serve as lamps: it has no shine\(\)/],
      [undefined, /it is no object/],
      [null, /it is no object/],
      ['lamp', /it is no object/],
    ]
    for (const [made, says] of wrong) {
      await assert.rejects(
        failing(() => made).createProvider(lamps, 'oil'),
        isError('ErrProviderCreationFailed', { says }),
      )
    }
    assert.equal(closes, 1)
  })

  it('leaves no timer and no listener behind', async () => {
    const registry = failing(lamp)
    const controller = new AbortController()
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    for (let time = 0; time < 100; time++) await registry.createProvider(lamps, 'oil', {}, controller.signal)
    assert.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, before)
  })
})

describe('a closed registry', () => {
  it('refuses registrations, creations and lists', async () => {
    const registry = open()
    registry.registerProvider('lamps', 'oil', lamp)
    registry.close()
    assert.throws(
      () => registry.registerProvider('lamps', 'gas', lamp),
      isError('ErrRegistrationFailed', { package: 'lamps', provider: 'gas', says: /closed/ }),
    )
    assert.throws(() => registry.listProviders('lamps'), isError('ErrRegistryAccessFailed', { says: /closed/ }))
    await assert.rejects(
      registry.createProvider(lamps, 'oil'),
      isError('ErrProviderCreationFailed', { says: /closed/ }),
    )
  })
})
