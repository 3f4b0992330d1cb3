import type { ChatMessage } from '../../../protocol/chat.ts'

/** The text of a message; its parts are paragraphs. */
export const textOf = (content: ChatMessage['content']): string =>
  typeof content === 'string' ? content : content.map(({ text }) => text).join('\n')

/** What the user said last; empty where the user said nothing. */
export const questionOf = (messages: readonly ChatMessage[]): string =>
  textOf(messages.findLast(({ role }) => role === 'user')?.content ?? '')
