import { type ContextMatch, type Conversation, MEMORY_LIMITS, type Turn } from '../../../protocol/memory.ts'
import type { Memory, SessionAccess } from '../memory-api.ts'
import { type Remembered, type RememberedConversation, type RememberedTurn, TokenBudget } from './chat-prompt.ts'

/** Newest turns of the own conversation that are looked at. */
const OWN_TURNS = 100
/** Share of the budget that is left to earlier conversations, if they have anything to say. */
const EARLIER_SHARE = 0.5
/** Matches of one earlier conversation that are used: more of it would leave no room for others. */
const MATCHES_EACH = 3
/** Matches that are asked for, for each conversation that is wanted: some are of this conversation, or of one that has enough. */
const MATCHES_PER_CONVERSATION = 6
/** Relevance under which a text is not put into a prompt: it has little more than a word in common with what the user says. */
const MIN_RELEVANCE = 0.2
/** UTF-16 code units of a directive that say what a conversation is about. */
const ABOUT = 200
/** Tokens of the form around the pieces: delimiters, names, brackets. */
const FORM_TOKENS = 96

type Reading = Pick<Memory, 'search' | 'conversation' | 'agentState'>

/** What a chat is to be reminded of. */
export interface RecallOrder {
  readonly access: SessionAccess
  /** The conversation that goes on; undefined where a new one begins. */
  readonly current: Conversation | undefined
  /** What the user says. */
  readonly question: string
  /** Texts that the client sends itself. */
  readonly sent: ReadonlySet<string>
  /** Whether what was said is used, and of how many earlier conversations. */
  readonly useContext: boolean
  readonly depth: number
  /** Whose state is used; undefined for nobody's. */
  readonly agent: string | undefined
  /** Tokens for all of it. */
  readonly tokens: number
}

/**
 * What of a session goes into a prompt: the agent's state, the newest turns of this conversation, and what fits best in earlier ones. Whole turns
 * only, as many as there is room for; half of it is kept for earlier conversations until they have been looked at.
 */
export async function rememberFor(memory: Reading, order: RecallOrder, signal: AbortSignal): Promise<Remembered> {
  const { access, current, agent, useContext } = order
  const budget = new TokenBudget(order.tokens - FORM_TOKENS)
  const remembered: Remembered = {}
  if (agent !== undefined) {
    const { state, last_updated } = memory.agentState(access, agent).answer
    const piece = { agent, last_updated, state }
    if (Object.keys(state).length > 0 && (await budget.take(piece))) remembered.agent_state = piece
  }
  if (!useContext) return remembered
  const kept: RememberedTurn[] = []
  const own = newestFirst(await ownTurns(memory, order), order.sent)
  await takeInOrder(own, kept, budget, Math.floor(EARLIER_SHARE * budget.left))
  const earlier = await earlierConversations(memory, order, budget, signal)
  await takeInOrder(own, kept, budget, 0)
  if (kept.length > 0) {
    remembered.this_conversation = { conversation_id: current!.conversation_id, turns: kept.reverse() }
  }
  if (earlier.length > 0) remembered.earlier_conversations = earlier
  return remembered
}

async function ownTurns(memory: Reading, { access, current }: RecallOrder): Promise<readonly Turn[]> {
  if (current === undefined) return []
  const after = Math.max(0, current.total_turns - OWN_TURNS)
  return (await memory.conversation(access, current.conversation_id, { after, limit: OWN_TURNS })).turns
}

/** Without those that the client sends itself. */
const newestFirst = (turns: readonly Turn[], sent: ReadonlySet<string>): RememberedTurn[] =>
  turns
    .filter(({ content }) => !sent.has(content))
    .map(attributed)
    .reverse()

/** Takes turns until one does not fit: what comes before it would hang in the air. */
async function takeInOrder(
  from: RememberedTurn[],
  to: RememberedTurn[],
  budget: TokenBudget,
  reserve: number,
): Promise<void> {
  while (from.length > 0 && (await budget.take(from[0], reserve))) to.push(from.shift()!)
}

async function earlierConversations(
  memory: Reading,
  { access, current, question, sent, depth }: RecallOrder,
  budget: TokenBudget,
  signal: AbortSignal,
): Promise<RememberedConversation[]> {
  if (depth === 0 || question === '') return []
  const search = {
    query: question.slice(0, MEMORY_LIMITS.query),
    max_results: Math.min(MEMORY_LIMITS.results, MATCHES_PER_CONVERSATION * depth),
    relevance_threshold: MIN_RELEVANCE,
  }
  const { results } = await memory.search(access, search, signal)
  const found = new Map<string, RememberedConversation>()
  const taken = new Set<string>()
  for (const match of results) {
    const id = match.conversation_id
    if (id === current?.conversation_id) continue
    const known = found.get(id)
    if (known === undefined ? found.size >= depth : known.turns.length >= MATCHES_EACH) continue
    signal.throwIfAborted()
    const conversation = known ?? { conversation_id: id, about: match.context.slice(0, ABOUT), turns: [] }
    for (const turn of await turnsOf(memory, access, match)) {
      const key = `${id}!${turn.turn_id}`
      // What the user says again is no news; the answer to it is.
      if (taken.has(key) || sent.has(turn.text)) continue
      const isFirst = conversation.turns.length === 0
      if (!(await budget.take(isFirst ? { ...conversation, turns: [turn] } : turn))) break
      conversation.turns.push(turn)
      taken.add(key)
      found.set(id, conversation)
    }
  }
  return [...found.values()]
}

/** The whole turn of a match, and after something that a user said the answer to it; where a summary matches, that. */
async function turnsOf(memory: Reading, access: SessionAccess, match: ContextMatch): Promise<RememberedTurn[]> {
  const { conversation_id: id, turn_id: turnId, agent, timestamp } = match
  if (turnId === null) {
    const { summary } = await memory.conversation(access, id, { limit: 1 })
    return summary === null ? [] : [{ turn_id: null, agent: null, at: timestamp, text: summary }]
  }
  const number = Number(turnId.slice('turn_'.length))
  const limit = agent === 'user' ? 2 : 1
  const { turns } = await memory.conversation(access, id, { after: number - 1, limit })
  // The second one only where it is an answer.
  return turns.filter((turn) => turn.turn_number === number || turn.agent !== 'user').map(attributed)
}

const attributed = ({ turn_id, agent, timestamp, content }: Turn): RememberedTurn => ({
  turn_id,
  agent,
  at: timestamp,
  text: content,
})
