import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Findings, PackageFacts, Validator } from '../packages/validators.ts'

/** A package to try a validator with. */
export interface ValidatorSample {
  /** What it is, in a few words; part of the test's name. */
  readonly name: string
  readonly bytes: Uint8Array
  readonly format: string
  readonly mediaType: string
  /** Whether it must pass. */
  readonly valid: boolean
}

/** What the suite needs. */
export interface ValidatorSuiteOptions {
  /** Declares a test; `test` of `node:test`, or what another runner has in its place. */
  readonly test: (name: string, run: () => Promise<void>) => unknown
  /** Makes a validator. Each test closes its own. */
  readonly factory: () => Validator | Promise<Validator>
  /** At least one that must pass and one that must not. */
  readonly samples: readonly ValidatorSample[]
}

/** Declares tests of everything that `Validator` promises. For the author of any validator. */
export function validatorSuite({ test, factory, samples }: ValidatorSuiteOptions): void {
  const good = samples.find((sample) => sample.valid)
  const bad = samples.find((sample) => !sample.valid)
  if (good === undefined || bad === undefined) {
    throw new Error('the samples lack a package that must pass, or one that must not')
  }

  const check = (name: string, run: (validator: Validator, folder: string) => Promise<void>) =>
    test(name, async () => {
      const validator = await factory()
      const folder = await mkdtemp(join(tmpdir(), 'validator-suite-'))
      try {
        await run(validator, folder)
      } finally {
        await validator.close()
        await rm(folder, { recursive: true })
      }
    })

  check('names formats and a media type', async (validator) => {
    assert.ok(validator.formats.length > 0)
    for (const format of validator.formats) assert.match(format, /^[a-z0-9][a-z0-9._-]*$/)
    assert.match(validator.mediaType, /^[^/\s]+\/[^/\s]+$/)
  })

  for (const sample of samples) {
    check(`${sample.valid ? 'accepts' : 'refuses'} ${sample.name}`, async (validator) => {
      const findings = await validator.validate(copyOf(sample), factsOf(sample))
      assertFindings(findings)
      assert.equal(findings.report !== null, sample.valid, JSON.stringify(findings.issues))
    })
  }

  check('finds the same in a file as in memory', async (validator, folder) => {
    for (const [index, sample] of samples.entries()) {
      const path = join(folder, String(index))
      await writeFile(path, sample.bytes)
      const fromFile = await validator.validate(path, factsOf(sample))
      const fromMemory = await validator.validate(copyOf(sample), factsOf(sample))
      assert.deepEqual(withoutTimes(fromFile), withoutTimes(fromMemory), sample.name)
    }
  })

  check('keeps packages apart that it opens at the same time', async (validator) => {
    const mixed = Array.from({ length: 4 }, () => samples).flat()
    const found = await Promise.all(mixed.map((sample) => validator.validate(copyOf(sample), factsOf(sample))))
    for (const [index, findings] of found.entries()) {
      assert.equal(findings.report !== null, mixed[index]?.valid, mixed[index]?.name)
    }
  })

  check('recognises packages by their first bytes, whatever they are', async (validator) => {
    assert.equal(validator.recognises(good.bytes.subarray(0, 512), good.mediaType), true)
    for (const length of [0, 1, 2, 3, 4, 7, 8, 261, 262, 511, 512]) {
      for (const head of [new Uint8Array(length), randomBytes(length), good.bytes.subarray(0, length)]) {
        for (const mediaType of [undefined, '', good.mediaType]) {
          assert.equal(typeof validator.recognises(head, mediaType), 'boolean')
        }
      }
    }
  })

  check('refuses what is no package at all', async (validator) => {
    for (const length of [0, 1, 5000]) {
      for (const bytes of [randomBytes(length), new Uint8Array(length).fill(0xff)]) {
        const findings = await validator.validate(bytes, { ...factsOf(good), size: length })
        assertFindings(findings)
        // Nothing at all, or a single byte, may be a good package of a format that has such.
        if (length > 1) assert.equal(findings.report, null)
      }
    }
  })

  check('refuses or accepts a package that was cut or changed, and never fails', async (validator) => {
    for (const part of [0.1, 0.5, 0.9]) {
      const cut = good.bytes.slice(0, Math.floor(good.bytes.length * part))
      assertFindings(await validator.validate(cut, { ...factsOf(good), size: cut.length }))
      const changed = copyOf(good)
      const at = Math.floor(changed.length * part)
      changed[at] = (changed[at] ?? 0) ^ 0xff
      assertFindings(await validator.validate(changed, factsOf(good)))
    }
  })

  check('rejects a file that is not there or has another size', async (validator, folder) => {
    const path = join(folder, 'package')
    await writeFile(path, good.bytes)
    await assert.rejects(validator.validate(join(folder, 'absent'), factsOf(good)))
    await assert.rejects(validator.validate(path, { ...factsOf(good), size: good.bytes.length + 1 }))
    assert.notEqual((await validator.validate(path, factsOf(good))).report, null)
  })

  check('rejects everything once it is closed, also what is under way, and closes twice', async (validator, folder) => {
    const path = join(folder, 'package')
    await writeFile(path, good.bytes)
    const underWay = Array.from({ length: 4 }, () => validator.validate(path, factsOf(good)))
    const settled = Promise.allSettled(underWay)
    await validator.close()
    for (const result of await settled) {
      assert.equal(result.status, 'rejected', 'a package under way was not rejected')
    }
    await assert.rejects(validator.validate(path, factsOf(good)))
    await validator.close()
  })
}

function assertFindings(findings: Findings): void {
  const { issues, passed, report } = findings
  assert.deepEqual(JSON.parse(JSON.stringify(findings)), findings, 'findings are plain JSON')
  for (const issue of issues) {
    assert.deepEqual(Object.keys(issue).sort(), ['code', 'location', 'message', 'severity'])
    assert.ok(issue.severity === 'error' || issue.severity === 'warning')
    assert.match(issue.code, /^[A-Z][A-Z0-9_]*$/)
    assert.ok(issue.message.length > 0 && issue.location.length > 0)
  }
  for (const name of passed) assert.match(name, /^[a-z][a-z0-9_]*$/)
  const hasError = issues.some((issue) => issue.severity === 'error')
  assert.equal(report === null, hasError, 'the report is null exactly when there is an error')
}

/** Findings without what a clock measured. */
const withoutTimes = (findings: Findings): unknown =>
  JSON.parse(JSON.stringify(findings, (key, value: unknown) => (key.endsWith('_ms') ? undefined : value)))

const factsOf = ({ bytes, format, mediaType }: ValidatorSample): PackageFacts => ({
  size: bytes.length,
  format,
  mediaType,
})

/** A copy, since bytes belong to a validator once it has them. */
const copyOf = ({ bytes }: ValidatorSample): Uint8Array => Uint8Array.from(bytes)
