import type { Command } from 'commander'
import { Check } from 'typebox/value'
import {
  DeadLetterList,
  DeadLettersReplayed,
  NODE_EVENTS,
  OPERATOR_EVENTS,
  Webhook,
  WebhookCreated,
  WebhookEventType,
  WebhookList,
  WebhookTested,
} from '../../protocol/webhooks.ts'
import { askNode } from './ask-node.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printJson, printLine, printTable, safe } from './output.ts'
import { type TargetOptions, targetFlags, targetOptions } from './target.ts'

interface WebhookOptions extends TargetOptions {
  json?: boolean
}

interface AddOptions extends WebhookOptions {
  events: string
}

const PATH = '/api/v1/webhooks'
const EXAMPLE =
  '\nExample:\n  $ cytoplex webhook add https://hooks.example.org/cytoplex --events cell.registered,cell.yanked'

/** `cytoplex webhook …`: where the node sends events. */
export function registerWebhookCommands(program: Command): void {
  const webhook = program
    .command('webhook')
    .description('send events to URLs: add, list, test and remove them')
    .addHelpText('after', EXAMPLE)
  const ofOne = (name: string, description: string): Command =>
    targetOptions(
      webhook.command(name).description(description).argument('<id>', 'its id, from `cytoplex webhook list`'),
    ).addHelpText('after', `\nExample:\n  $ cytoplex webhook ${name} wh_5f0c1d2e3a4b5c6d7e8f9a0b`)
  targetOptions(
    webhook
      .command('add')
      .description('send events to a URL; its secret is shown once')
      .argument('<url>', 'https; its receiver must answer a challenge')
      .requiredOption('--events <list>', `separated by commas: ${NODE_EVENTS.join(', ')}`),
  )
    .addHelpText('after', EXAMPLE)
    .action(add)
  targetOptions(webhook.command('list').description('list the webhooks, without their secrets'))
    .addHelpText('after', '\nExample:\n  $ cytoplex webhook list')
    .action(list)
  ofOne('test', 'send an event now, or the challenge again').action(tryOut)
  ofOne('rm', 'forget a webhook, and what is on its way to it').action(remove)
  ofOne('dead-letters', 'list the events that did not arrive').action(deadLetters)
  ofOne('replay', 'send the events that did not arrive again').action(replay)
}

async function add(url: string, options: AddOptions): Promise<void> {
  const events = options.events.split(',').map((event) => event.trim())
  const unknown = events.find((event) => !Check(WebhookEventType, event))
  if (unknown !== undefined) {
    const allowed = [...NODE_EVENTS, ...OPERATOR_EVENTS].join(', ')
    throw new CliError(`--events: found ${JSON.stringify(unknown)}, allowed are ${allowed}`, EXIT.usage)
  }
  const { answer } = await askNode(options, PATH, WebhookCreated, { method: 'POST', body: { url, events } })
  if (options.json) return printJson(answer)
  printLine(answer.secret)
  printLine(`\nThis is the only time that it is shown. It signs the events of ${answer.webhook_id}.`)
  if (answer.status === 'active') return
  printLine(
    `Nothing is sent before the receiver answers its challenge (${safe(answer.last_error ?? 'not asked yet')}).`,
  )
  printLine(`next: cytoplex webhook test ${answer.webhook_id}${targetFlags(options)}`)
}

async function list(options: WebhookOptions): Promise<void> {
  const { answer } = await askNode(options, PATH, WebhookList)
  if (options.json) return printJson(answer)
  if (answer.webhooks.length === 0) return printLine('There are no webhooks.')
  printTable(
    ['ID', 'URL', 'EVENTS', 'STATUS', 'QUEUED', 'DEAD', 'LAST DELIVERY', 'LAST ERROR'],
    answer.webhooks.map((one) => [
      one.webhook_id,
      one.url,
      one.events.join(', '),
      one.status,
      one.queued,
      one.dead_letters,
      one.last_delivery_at,
      one.last_error,
    ]),
  )
}

async function tryOut(id: string, options: WebhookOptions): Promise<void> {
  const { answer } = await askNode(options, `${at(id)}/test`, WebhookTested, { method: 'POST' })
  if (options.json) printJson(answer)
  else if (answer.delivered) printLine(`${answer.event_type} arrived; ${answer.webhook_id} is ${answer.status}.`)
  if (answer.delivered) return
  throw new CliError(`${answer.event_type} did not arrive: ${answer.error}`, EXIT.failure, 'NOT_DELIVERED')
}

async function remove(id: string, options: WebhookOptions): Promise<void> {
  const { answer } = await askNode(options, at(id), Webhook, { method: 'DELETE' })
  if (options.json) printJson(answer)
  else printLine(`${answer.webhook_id} (${safe(answer.url)}) is forgotten.`)
}

async function deadLetters(id: string, options: WebhookOptions): Promise<void> {
  const { answer } = await askNode(options, `${at(id)}/dead-letters?limit=500`, DeadLetterList)
  if (options.json) return printJson(answer)
  if (answer.total === 0) return printLine('Everything arrived, or is still tried.')
  printTable(
    ['DELIVERY', 'EVENT', 'OF', 'ATTEMPTS', 'FAILED', 'ERROR'],
    answer.dead_letters.map(({ delivery_id, event, attempts, failed_at, error }) => [
      delivery_id,
      event.event_type,
      event.timestamp,
      attempts,
      failed_at,
      error,
    ]),
  )
  if (answer.total > answer.dead_letters.length) printLine(`\n${answer.dead_letters.length} of ${answer.total}.`)
}

async function replay(id: string, options: WebhookOptions): Promise<void> {
  const path = `${at(id)}/dead-letters/replay`
  const { answer } = await askNode(options, path, DeadLettersReplayed, { method: 'POST' })
  if (options.json) printJson(answer)
  else printLine(`${answer.replayed} events are on their way again.`)
}

const at = (id: string): string => `${PATH}/${encodeURIComponent(id)}`
