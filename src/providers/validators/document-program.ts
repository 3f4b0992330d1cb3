/** Runs in the sandbox: reads one JSON document from its standard input. */
import { answerSandbox } from '../../kernel/sandbox/program.ts'
import { readDocument } from './document-text.ts'

await answerSandbox((input) => readDocument(input, true))
